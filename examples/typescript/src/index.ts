// Books as JSON and as a page. Types are stripped when the worker is deployed, and never checked
// there: `npx -p typescript tsc` does that.

import { find, type Book, Shelf } from "./books";
import { page } from "./page";

interface Env {
  readonly TITLE: string;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const shelf = url.searchParams.get("shelf") as Shelf | null;
    if (shelf !== null && !Object.values(Shelf).includes(shelf)) {
      return new Response(`there is no shelf ${shelf}\n`, { status: 404 });
    }
    const books: readonly Book[] = find((book) => shelf === null || book.shelf === shelf);
    if (url.pathname === "/books.json") return Response.json(books);
    const html = page(env.TITLE, books);
    return new Response(`<!doctype html>\n${html}\n`, {
      headers: { "content-type": "text/html; charset=utf-8" },
    });
  },
} satisfies { fetch(request: Request, env: Env): Promise<Response> };
