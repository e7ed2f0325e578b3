// What is on the shelves.

export enum Shelf {
  Fiction = "fiction",
  Science = "science",
}

export interface Book {
  readonly title: string;
  readonly author: string;
  readonly shelf: Shelf;
}

const books: Book[] = [
  { title: "Middlemarch", author: "George Eliot", shelf: Shelf.Fiction },
  { title: "On the Origin of Species", author: "Charles Darwin", shelf: Shelf.Science },
];

/** The books for which `wanted` holds. */
export function find(wanted: (book: Book) => boolean): readonly Book[] {
  return books.filter(wanted);
}
