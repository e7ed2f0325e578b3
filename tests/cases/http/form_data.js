// FormData: entries, files, and both forms in which it travels.

const MULTIPART = "multipart/form-data; boundary=XX";
const parse = (text, type = MULTIPART) =>
  new Response(text, { headers: { "content-type": type } }).formData();
const part = (headers, body) => `--XX\r\n${headers}\r\n\r\n${body}\r\n`;
const field = (name, body) => part(`Content-Disposition: form-data; name="${name}"`, body);
const END = "--XX--\r\n";

export default {
  "entries keep their order"(env, t) {
    const form = new FormData();
    form.append("a", 1);
    form.append("b", "2");
    form.append("a", "3");
    t.deepEqual([...form], [["a", "1"], ["b", "2"], ["a", "3"]]);
    t.deepEqual([...form.keys()], ["a", "b", "a"]);
    t.deepEqual([...form.values()], ["1", "2", "3"]);
    t.deepEqual([...form.entries()], [...form]);
    t.deepEqual(form.getAll("a"), ["1", "3"]);
    t.equal(form.get("a"), "1");
    t.equal(form.get("c"), null);
    t.deepEqual(form.getAll("c"), []);
    t.ok(form.has("b") && !form.has("c"));
  },

  "set replaces the first and drops the others"(env, t) {
    const form = new FormData();
    for (const name of ["a", "b", "a", "a"]) form.append(name, "1");
    form.set("a", "2");
    form.set("c", "3");
    t.deepEqual([...form], [["a", "2"], ["b", "1"], ["c", "3"]]);
    form.delete("b");
    t.deepEqual([...form.keys()], ["a", "c"]);
  },

  "forEach gives value, name and form"(env, t) {
    const form = new FormData();
    form.append("a", "1");
    const seen = [];
    form.forEach((value, name, owner) => seen.push([value, name, owner === form]));
    t.deepEqual(seen, [["1", "a", true]]);
  },

  "iteration sees what changes"(env, t) {
    const form = new FormData();
    form.append("a", "1");
    form.append("b", "2");
    const seen = [];
    for (const [name] of form) {
      seen.push(name);
      form.delete("b");
    }
    t.deepEqual(seen, ["a"]);
  },

  async "blobs become files"(env, t) {
    const form = new FormData();
    const file = new File(["x"], "f.txt", { type: "a/b" });
    form.append("file", file);
    form.append("named", file, "other");
    form.append("blob", new Blob(["y"], { type: "c/d" }), "n");
    t.equal(form.get("file"), file);
    t.equal(form.get("named").name, "other");
    t.equal(form.get("named").type, "a/b");
    t.ok(form.get("blob") instanceof File);
    t.equal(form.get("blob").name, "n");
    t.equal(form.get("blob").type, "c/d");
    t.equal(await form.get("blob").text(), "y");
    t.equal(await form.get("named").text(), "x");
  },

  "missing arguments are refused"(env, t) {
    const form = new FormData();
    t.throws(() => form.append("a"), TypeError);
    t.throws(() => form.set("a"), TypeError);
    t.throws(() => form.get(), TypeError);
    t.throws(() => FormData.prototype.get.call({}, "a"), TypeError);
  },

  async "a form survives the way"(env, t) {
    const form = new FormData();
    form.append("a", "l1\r\nl2 \u20ac");
    form.append("a", "");
    form.append("f", new File([new Uint8Array([0, 13, 10, 255])], "b.bin", { type: "x/y" }));
    form.append("g", new File([""], "empty"));
    const read = await new Response(form).formData();
    t.deepEqual(read.getAll("a"), ["l1\r\nl2 \u20ac", ""]);
    const file = read.get("f");
    t.equal(file.name, "b.bin");
    t.equal(file.type, "x/y");
    t.deepEqual([...new Uint8Array(await file.arrayBuffer())], [0, 13, 10, 255]);
    t.equal(read.get("g").size, 0);
    t.equal(read.get("g").type, "application/octet-stream");
  },

  async "names can not leave their quotes"(env, t) {
    const form = new FormData();
    form.append('a"; filename="x\r\n', "1");
    const text = await new Response(form).text();
    t.ok(text.includes('name="a%22; filename=%22x'));
    t.ok(!text.includes('filename="'));
  },

  async "multipart is read with either line end, and text around it"(env, t) {
    const good = [
      field("a", "b") + END, field("a", "b") + "--XX--",
      "before\r\n" + field("a", "b") + END + "after",
      '--XX\ncontent-disposition: form-data; name="a"\n\nb\n--XX--\n',
      part('x: y\r\nCONTENT-DISPOSITION: form-data; name="a"', "b") + END,
    ];
    for (const text of good) t.deepEqual([...await parse(text)], [["a", "b"]]);
    t.deepEqual([...await parse(END)], []);
    const two = await parse(field("a", "") + field("a", "2\r\n") + END);
    t.deepEqual(two.getAll("a"), ["", "2\r\n"]);
  },

  async "parts with a filename are files"(env, t) {
    const head = 'content-disposition: form-data; name="a"; filename="\u00fc.txt"';
    const file = (await parse(part(`${head}\r\nContent-Type: text/x`, "b\u20ac") + END)).get("a");
    t.equal(file.name, "\u00fc.txt");
    t.equal(file.type, "text/x");
    t.equal(file.size, 4);
    t.equal(await file.text(), "b\u20ac");
    t.equal((await parse(part(head, "b") + END)).get("a").type, "");
  },

  async "a quoted boundary may hold spaces"(env, t) {
    const text = '--X X\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--X X--';
    t.equal((await parse(text, 'multipart/form-data; boundary="X X"')).get("a"), "b");
  },

  async "what is not multipart is refused"(env, t) {
    const cases = [
      ["", /No initial boundary string/], ["x", /No initial boundary string/],
      [field("a", "b"), /No subsequent boundary string|not succeeded/],
      ['--XX\r\ncontent-disposition: form-data; name="a"', /header termination/],
      [part("x: y", "b") + END, /No valid Content-Disposition/],
      [part("content-disposition: form-data", "b") + END, /missing a name/],
      [part('content-disposition: attachment; name="a"', "b") + END, /must have the value/],
      ["--XX \r\n" + END, /not succeeded by CRLF/],
      [field("a", "b\r\n--XXY") + END, /not succeeded by CRLF/],
    ];
    for (const [text, error] of cases) await t.rejects(parse(text), error);
    await t.rejects(parse("x", "multipart/form-data"), /No boundary string/);
  },

  async "fields of a URL-encoded body are read"(env, t) {
    const type = "Application/X-www-form-urlencoded; charset=utf-8";
    const form = await parse("a=b&c=%20+d&e&a=%E2%82%AC", type);
    t.deepEqual([...form], [["a", "b"], ["c", "  d"], ["e", ""], ["a", "\u20ac"]]);
    const fields = await new Response(new URLSearchParams({ "a&": "=" })).formData();
    t.deepEqual([...fields], [["a&", "="]]);
  },

  async "other types are no form"(env, t) {
    await t.rejects(parse("x", "text/plain"), /Unrecognized Content-Type/);
    await t.rejects(new Response(null).formData(), /requires a Content-Type header/);
  },

  async "a form in a request says how it is written"(env, t) {
    const form = new FormData();
    form.append("a", "b");
    const request = new Request("http://a/", { method: "POST", body: form });
    t.ok(request.headers.get("content-type").startsWith("multipart/form-data; boundary="));
    t.equal((await request.formData()).get("a"), "b");
    t.ok(request.bodyUsed);
  },
};
