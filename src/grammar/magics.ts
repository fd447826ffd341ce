// The byte patterns that known streams begin with; those of Xen are in xen-wrapping.ts.
// Takes nothing, promises nothing but constants; what follows a magic is the business of the grammar or container.

/** Latin-1 text as bytes. */
function ascii(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'));
}

/** QEMU_VM_FILE_MAGIC (migration/savevm.c), without the version that follows. */
export const QEMU_MAGIC = ascii('QEVM');

/**
 * MULTIFD_MAGIC (migration/multifd.h): what each channel of a multifd migration begins with, big-endian. The main
 * connection begins with QEMU_MAGIC.
 */
export const MULTIFD_MAGIC = Uint8Array.of(0x11, 0x22, 0x33, 0x44);

/** QEMU_SAVE_PARTIAL: stands in the place of the magic until the image is complete (libvirt src/qemu/qemu_saveimage.h). */
export const LIBVIRT_PART_MAGIC = ascii('LibvirtQemudPart');
/** QEMU_SAVE_MAGIC, and the preliminary one. */
export const LIBVIRT_MAGICS = [ascii('LibvirtQemudSave'), LIBVIRT_PART_MAGIC] as const;

/** Ramferry's own stream. As in PNG, a byte above 127 and line ends of both kinds betray a transfer as text. */
export const NATIVE_MAGIC = Uint8Array.of(0x89, 0x52, 0x46, 0x59, 0x0d, 0x0a, 0x1a, 0x0a);

/** RFC 8878, section 3.1.1: a Zstandard frame. */
export const ZSTD_MAGIC = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);

/** RFC 8878, section 3.1.2: skippable frames are 0x184D2A50 to 0x184D2A5F, little-endian; LZ4 has the same ones. */
export const SKIPPABLE_MAGICS: readonly Uint8Array[] = Array.from({ length: 16 }, (_, i) =>
  Uint8Array.of(0x50 + i, 0x2a, 0x4d, 0x18),
);

/** LZ4 Frame Format 1.6: 0x184D2204; and 0x184C2102 for legacy frames (what the Linux kernel's images hold). */
export const LZ4_MAGIC = Uint8Array.of(0x04, 0x22, 0x4d, 0x18);
export const LZ4_LEGACY_MAGIC = Uint8Array.of(0x02, 0x21, 0x4c, 0x18);

/** RFC 1952: ID1, ID2 and CM = 8, the only method there is. Two bytes alone would be a weak sign. */
export const GZIP_MAGIC = Uint8Array.of(0x1f, 0x8b, 0x08);
