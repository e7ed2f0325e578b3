// Arithmetic in WebAssembly. The import is a compiled module; an instance of it, with its memory,
// lives as long as the isolate.

import program from "./sum.wasm";

const { add, sum, memory } = new WebAssembly.Instance(program).exports;

export default {
  fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const numbers = searchParams.getAll("n").map(Number);
    if (!numbers.every((n) => n === (n | 0))) {
      return Response.json({ error: "every n must be a 32-bit integer" }, { status: 400 });
    }
    switch (pathname) {
      case "/add":
        return Response.json({ result: add(numbers[0] ?? 0, numbers[1] ?? 0) });
      case "/sum":
        return sumOf(numbers);
      default:
        return Response.json({ error: "try /add?n=2&n=3 or /sum?n=1&n=2&n=3" }, { status: 404 });
    }
  },
};

/** Copies the numbers into the instance's memory and lets it add them up. */
function sumOf(numbers) {
  const cells = new Int32Array(memory.buffer);
  if (numbers.length > cells.length) {
    return Response.json({ error: `at most ${cells.length} numbers` }, { status: 400 });
  }
  cells.set(numbers);
  return Response.json({ result: sum(numbers.length), bytes: memory.buffer.byteLength });
}
