// Asks every service for its cases, one after the other, and says what became of each.

export default {
  async test(_controller, env) {
    for (const [file, service] of Object.entries(env)) {
      const { names, differs } = await (await service.fetch("http://cases/")).json();
      for (const name of names) {
        if (name in differs) {
          console.log(`differs ${file}: ${name}: ${differs[name]}`);
          continue;
        }
        await run(service, file, name);
      }
      for (const name of Object.keys(differs)) {
        if (!names.includes(name)) console.log(`failed ${file}: no such case: ${name}`);
      }
    }
    console.log("done");
  },
};

async function run(service, file, name) {
  let text;
  try {
    const response = await service.fetch(`http://cases/?case=${encodeURIComponent(name)}`);
    text = await response.text();
    if (response.status === 200) return console.log(`passed ${file}: ${name}`);
  } catch (error) {
    text = String(error);
  }
  console.log(`failed ${file}: ${name}: ${text}`);
}
