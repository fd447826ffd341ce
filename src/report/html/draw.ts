// The script of the report's page: draws each chart of the data with Chart.js. Text, because it runs in a browser, where
// TypeScript's types of Node do not hold. Colours are Okabe's and Ito's, told apart by colour-blind people; lines differ in
// their dashes and points in their shapes as well, for paper without colours.

export const DRAW = `
'use strict';
(function () {
  const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#5b5b5b', '#8c6d00'];
  const shapes = ['circle', 'rect', 'triangle', 'rectRot', 'star', 'cross', 'crossRot', 'dash'];
  const dashes = [[6, 3], [2, 2], [10, 3, 2, 3], [12, 4], [1, 3], [8, 2, 1, 2, 1, 2], [4, 4], [14, 2]];
  const { charts } = JSON.parse(document.getElementById('data').textContent);
  Chart.defaults.color = '#1a1a1a';
  Chart.defaults.font.size = 13;
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  const short = (value) => value >= 100 ? Math.round(value).toString() : Number(value.toPrecision(3)).toString();
  const bits = (value) => value >= 1e9 ? short(value / 1e9) + ' Gbit/s' : short(value / 1e6) + ' Mbit/s';
  const scale = (axis, isBandwidth) => ({
    type: axis.log ? 'logarithmic' : 'linear',
    title: { display: axis.title !== '', text: axis.title },
    beginAtZero: !axis.log,
    ticks: isBandwidth
      ? { callback: (value) => Math.abs(Math.log10(value) % 1) < 1e-9 ? bits(value) : null, autoSkip: false }
      : { callback: (value) => axis.log && !/^[125]0*$/.test(String(Math.round(value))) ? null : short(value) },
  });
  const dataset = (series, index, scatter) => {
    const best = series.kind === 'best';
    const measured = series.kind === 'measured';
    const colour = best ? '#000' : colours[index % colours.length];
    return {
      label: series.label,
      data: series.points,
      showLine: !scatter,
      borderColor: colour,
      backgroundColor: best ? 'rgba(0,0,0,0.15)' : colour,
      borderWidth: best ? 7 : 2,
      borderDash: best || measured ? [] : dashes[index % dashes.length],
      pointStyle: shapes[index % shapes.length],
      pointRadius: best ? 0 : scatter || measured ? 5 : 3,
      pointHoverRadius: 7,
      pointBorderWidth: 2,
      order: best ? 9 : measured ? 1 : 5,
    };
  };
  const lines = (chart) => {
    const bandwidth = chart.id === 'crossover';
    const scatter = chart.type === 'scatter';
    let index = 0;
    const datasets = chart.series.map((series) => {
      const made = dataset(series, series.kind === 'best' ? 0 : index++, scatter);
      if (bandwidth && series.kind !== 'best') made.pointRadius = (context) => context.dataIndex % 6 === 0 ? 4 : 0;
      return made;
    });
    return {
      type: scatter ? 'scatter' : 'line',
      data: { datasets },
      options: {
        parsing: false,
        interaction: scatter ? { mode: 'nearest', intersect: false } : { mode: bandwidth ? 'index' : 'nearest', intersect: false },
        scales: { x: { ...scale(chart.x, bandwidth), type: chart.x.log ? 'logarithmic' : 'linear' }, y: scale(chart.y, false) },
        plugins: {
          legend: { position: 'bottom', labels: { usePointStyle: !bandwidth, boxWidth: 44, pointStyleWidth: 18 } },
          tooltip: {
            itemSort: (a, b) => b.parsed.y - a.parsed.y,
            callbacks: {
              title: (items) => bandwidth && items.length > 0 ? bits(items[0].parsed.x) : '',
              label: (item) => (item.raw.label ? item.raw.label : item.dataset.label) + ': ' +
                (scatter ? short(item.parsed.y) + ' : 1 at ' + short(item.parsed.x) + ' MB/s' : short(item.parsed.y) + (bandwidth || chart.id === 'scaling' ? ' MB/s' : '')),
            },
          },
        },
      },
    };
  };
  const hatch = (colour) => {
    const tile = document.createElement('canvas');
    tile.width = tile.height = 8;
    const pen = tile.getContext('2d');
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    pen.beginPath();
    pen.moveTo(0, 8); pen.lineTo(8, 0); pen.moveTo(-2, 2); pen.lineTo(2, -2); pen.moveTo(6, 10); pen.lineTo(10, 6);
    pen.stroke();
    return pen.createPattern(tile, 'repeat');
  };
  const bars = (chart) => ({
    type: 'bar',
    data: {
      labels: chart.bars.labels,
      datasets: chart.bars.series.map((series, index) => ({
        label: series.label,
        data: series.values,
        borderColor: colours[index],
        borderWidth: 1.5,
        backgroundColor: index === 0 ? colours[0] : hatch(colours[index]),
      })),
    },
    options: {
      indexAxis: 'y',
      scales: { x: scale(chart.x, false), y: { ticks: { autoSkip: false } } },
      plugins: {
        legend: { display: chart.bars.series.length > 1, position: 'bottom' },
        tooltip: { callbacks: { label: (item) => item.dataset.label + ': ' + short(item.parsed.x) + (chart.bars.unit ? ' ' + chart.bars.unit : '') } },
      },
    },
  });
  for (const chart of charts) {
    new Chart(document.getElementById('chart-' + chart.id), chart.type === 'bars' ? bars(chart) : lines(chart));
  }
  // Paper has another width.
  const resize = () => { for (const each of Object.values(Chart.instances)) each.resize(); };
  window.addEventListener('beforeprint', resize);
  window.addEventListener('afterprint', resize);
  document.documentElement.dataset.drawn = String(charts.length);
})();
`;
