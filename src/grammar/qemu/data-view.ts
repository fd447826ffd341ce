// A DataView of the bytes that a walk is given. One view serves all items in the same bytes: a view for each section would cost more
// than a short section.

export class ReusedView {
  #data: Uint8Array | undefined;
  #view: DataView = new DataView(new ArrayBuffer(0));

  of(data: Uint8Array): DataView {
    if (this.#data !== data) {
      this.#data = data;
      this.#view = new DataView(data.buffer, data.byteOffset, data.length);
    }
    return this.#view;
  }
}
