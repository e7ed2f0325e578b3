// Asks every service for its cases, one after the other, and says what became of each: one line
// that begins with a mark, for the cases print too.

export default {
  async test(_controller, env) {
    for (const [file, service] of Object.entries(env)) {
      const { names, differs } = await (await service.fetch("http://cases/")).json();
      for (const name of names) {
        if (name in differs) {
          say("differs", file, name, differs[name]);
          continue;
        }
        await run(service, file, name);
      }
      for (const name of Object.keys(differs)) {
        if (!names.includes(name)) say("failed", file, name, "no such case");
      }
    }
    say("done");
  },
};

function say(what, ...rest) {
  console.log(`@${what} ${rest.join(": ").replaceAll("\n", "@n")}`);
}

async function run(service, file, name) {
  let text;
  try {
    const response = await service.fetch(`http://cases/?case=${encodeURIComponent(name)}`);
    text = await response.text();
    if (response.status === 200) return say("passed", file, name);
  } catch (error) {
    text = String(error);
  }
  say("failed", file, name, text);
}
