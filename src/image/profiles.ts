// What a generated image is like. Apart from the generator, which the options need not load.

/** Which guest the image is like. `idle`: a guest that has booted and does nothing. `busy`: a database at work. */
export const IMAGE_PROFILES = ['idle', 'busy'] as const;
/** Which guest the image is like: `idle`, or `busy` (a database). */
export type ImageProfile = (typeof IMAGE_PROFILES)[number];
