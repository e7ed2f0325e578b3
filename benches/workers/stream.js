// Bodies for the stream bench: /whole/N answers N bytes from one buffer, /pieces/N makes them in
// pieces of 16 KiB as they are asked for, anything else sends the request's body back.

const PIECE_BYTES = 16 * 1024;

export default {
  fetch(request) {
    const [, kind, count] = new URL(request.url).pathname.split("/");
    switch (kind) {
      case "whole":
        return new Response(new Uint8Array(Number(count)));
      case "pieces":
        return new Response(pieces(Number(count)));
      default:
        return new Response(request.body);
    }
  },
};

function pieces(count) {
  let left = count;
  return new ReadableStream({
    pull(controller) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, left));
      left -= piece.length;
      controller.enqueue(piece);
      if (left === 0) {
        controller.close();
      }
    },
  });
}
