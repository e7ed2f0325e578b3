// A small JSON API over Hono: parameters, a group of routes, a body, middleware and an error page.

import { Hono } from "hono";

const books = new Map([
  ["1", { id: "1", title: "The Art of Bookbinding" }],
  ["2", { id: "2", title: "Sewing on Cords" }],
]);

const shelf = new Hono();
shelf.get("/", (c) => c.json([...books.values()]));
shelf.get("/:id{[0-9]+}", (c) => {
  const book = books.get(c.req.param("id"));
  return book ? c.json(book) : c.json({ error: "no such book" }, 404);
});
shelf.post("/", async (c) => {
  const { title } = await c.req.json();
  return typeof title === "string"
    ? c.json({ id: String(books.size + 1), title }, 201)
    : c.json({ error: "title must be a string" }, 400);
});

const app = new Hono();
app.use(async (c, next) => {
  await next();
  c.header("x-router", "hono");
});
app.get("/", (c) => c.text("GET /hello/:name, GET /books, GET /books/:id, POST /books\n"));
app.get("/hello/:name", (c) => c.text(`${c.env.GREETING}, ${c.req.param("name")}!\n`));
app.route("/books", shelf);
app.notFound((c) => c.json({ error: "not found" }, 404));
app.onError((error, c) => {
  return c.json({ error: error.message }, error instanceof SyntaxError ? 400 : 500);
});

export default app;
