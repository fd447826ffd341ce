// The profiles of generated images. A file of its own, so that the options need not load the generator.

/** Profile of a generated image. `idle`: a guest that has booted and does nothing. `busy`: a database at work. */
export const IMAGE_PROFILES = ['idle', 'busy'] as const;
/** Profile of a generated image: `idle`, or `busy` (a database). */
export type ImageProfile = (typeof IMAGE_PROFILES)[number];
