// Loads a worker for each name that a path ends with, each of code that nobody else has, and passes
// the request on to it. `SOURCE` is that code but for its first line.

const code = (name, SOURCE) => ({
  compatibilityDate: "2026-08-01",
  mainModule: "index.js",
  modules: { "index.js": `// ${name}\n${SOURCE}` },
  globalOutbound: null,
});

export default {
  async fetch(request, { LOADER, SOURCE }) {
    const [, what, name] = new URL(request.url).pathname.split("/");
    if (what === "register") {
      await LOADER.register(name, code(name, SOURCE));
      return new Response("registered");
    }
    const worker = what === "registered"
      ? LOADER.registered(name)
      : LOADER.get(name, () => code(name, SOURCE));
    return worker.getEntrypoint().fetch(request);
  },
};
