// Reads a key, or writes it: the path says which, and what the key is called.

const VALUE = "v".repeat(100);

export default {
  async fetch(request, { KV }) {
    const [, what, key] = new URL(request.url).pathname.split("/");
    if (what === "put") {
      await KV.put(key, VALUE);
      return new Response("done\n");
    }
    return new Response(await KV.get(key));
  },
};
