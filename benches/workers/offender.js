// What a tenant does to its neighbours, by the path of its URL.
const held = [];

export default {
  fetch(request) {
    switch (new URL(request.url).pathname) {
      case "/spin":
        for (;;);
      case "/bomb":
        for (;;) held.push(new Array(1 << 16).fill(held.length));
      default:
        return new Response("ready\n");
    }
  },
};
