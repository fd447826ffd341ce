// The size of a guest's page: one number for the whole code base.
// A stream whose pages have another size is opaque: its bytes travel as raw blocks of this size.

export const PAGE_BYTES = 4096;
