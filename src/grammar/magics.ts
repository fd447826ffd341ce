// The magic bytes of known streams; the magics of Xen streams are in xen/headers.ts.
// Constants only: the grammar or container of a stream reads the bytes behind its magic.

/** Latin-1 text as bytes. */
function ascii(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'));
}

/** QEMU_VM_FILE_MAGIC (migration/savevm.c), without the version that follows. */
export const QEMU_MAGIC = ascii('QEVM');

/**
 * MULTIFD_MAGIC (migration/multifd.h), big-endian: the first bytes of each channel of a multifd migration. The main
 * connection begins with QEMU_MAGIC.
 */
export const MULTIFD_MAGIC = Uint8Array.of(0x11, 0x22, 0x33, 0x44);

/** QEMU_SAVE_PARTIAL: libvirt overwrites it with the final magic when the image is complete (src/qemu/qemu_saveimage.h). */
export const LIBVIRT_PART_MAGIC = ascii('LibvirtQemudPart');
/** QEMU_SAVE_MAGIC, and the preliminary one. */
export const LIBVIRT_MAGICS = [ascii('LibvirtQemudSave'), LIBVIRT_PART_MAGIC] as const;

/** The native stream. As in PNG, a byte above 127 and both kinds of line ends reveal a transfer in text mode. */
export const NATIVE_MAGIC = Uint8Array.of(0x89, 0x52, 0x46, 0x59, 0x0d, 0x0a, 0x1a, 0x0a);

/** RFC 8878, section 3.1.1: a Zstandard frame. */
export const ZSTD_MAGIC = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);

/** RFC 8878, section 3.1.2: skippable frames are 0x184D2A50 to 0x184D2A5F, little-endian; LZ4 uses the same numbers. */
export const SKIPPABLE_MAGICS: readonly Uint8Array[] = Array.from({ length: 16 }, (_, i) =>
  Uint8Array.of(0x50 + i, 0x2a, 0x4d, 0x18),
);

/** LZ4 Frame Format 1.6: 0x184D2204; and 0x184C2102 for legacy frames (used in images of the Linux kernel). */
export const LZ4_MAGIC = Uint8Array.of(0x04, 0x22, 0x4d, 0x18);
export const LZ4_LEGACY_MAGIC = Uint8Array.of(0x02, 0x21, 0x4c, 0x18);

/** RFC 1952: ID1, ID2 and CM = 8, the only method. ID1 and ID2 alone would match too many files. */
export const GZIP_MAGIC = Uint8Array.of(0x1f, 0x8b, 0x08);
