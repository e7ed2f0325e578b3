// Greets whoever the path names. The words come from `vars` in wrangler.jsonc: a text and a JSON
// value, both ready in `env`.

export default {
  fetch(request, env) {
    const name = nameIn(new URL(request.url).pathname);
    if (name === undefined) {
      return new Response("that path is not valid UTF-8\n", { status: 400 });
    }
    return new Response(`${env.GREETING}, ${name || env.CONFIG.nobody}${env.CONFIG.mark}\n`);
  },
};

/** The text after the first slash, or undefined if it does not decode. */
function nameIn(path) {
  try {
    return decodeURIComponent(path.slice(1));
  } catch {
    return undefined;
  }
}
