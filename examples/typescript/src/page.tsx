// The page, as JSX.

import type { Book } from "./books";
import { Fragment, h, type Html } from "./html";

function Row({ title, author }: Book): Html {
  return (
    <li>
      <b>{title}</b>, {author}
    </li>
  );
}

/** The books as a page. */
export function page(title: string, books: readonly Book[]): Html {
  return (
    <>
      <title>{title}</title>
      <h1>{title}</h1>
      <ul>{books.map((book) => <Row {...book} />)}</ul>
    </>
  );
}
