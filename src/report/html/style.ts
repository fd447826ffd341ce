// The report's style sheet, for screen and print.

export const STYLE = `
:root { color-scheme: light; --ink: #1a1a1a; --rule: #ccc; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .35rem 0; max-width: 60rem; }
.commands { background: #f3f3f3; border-left: 4px solid #0072b2; padding: .75rem 1rem; overflow-x: auto; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(32rem, 1fr)); gap: 1.5rem; margin-top: 1.5rem; }
figure { margin: 0; min-width: 0; break-inside: avoid; }
figure:first-child { grid-column: 1 / -1; }
figcaption { font-weight: 600; margin-bottom: .25rem; }
.canvas { position: relative; height: 22rem; }
figure:first-child .canvas { height: 30rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { text-align: left; padding: .2rem .7rem .2rem 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
td.number { text-align: right; }
.note, footer { color: #555; font-size: .85rem; }
footer { margin-top: 2rem; border-top: 1px solid var(--rule); padding-top: .5rem; }
@media (max-width: 40rem) { .charts { grid-template-columns: 1fr; } }
@media print {
  main { max-width: none; padding: 0; }
  .charts { display: block; }
  figure { margin-bottom: 1rem; }
  .canvas, figure:first-child .canvas { height: 9cm; width: 17cm; }
  .commands { border: 1px solid #999; white-space: pre-wrap; }
  .scroll { overflow: visible; }
  table { font-size: .75rem; }
  th, td { padding-right: .45rem; }
  th { white-space: normal; vertical-align: bottom; }
}
`;
