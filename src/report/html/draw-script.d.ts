// The page's script as text: scripts/bundle.mjs bundles script/draw.ts and writes draw-script.js into dist/.

export declare const DRAW: string;
