// JSX as text: an element is made by `h`, and everything between tags is escaped.

/** Text that is HTML already. */
export class Html {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

type Child = Html | string | readonly Child[];
type Component<Props> = (props: Props) => Html;

export declare namespace h.JSX {
  type Element = Html;
  type IntrinsicElements = Record<string, Record<string, string>>;
}

/** Stands for a group of elements without a tag. */
export const Fragment = "";

/** An element, or what a component makes. */
export function h<Props>(
  tag: string | Component<Props>,
  props: Props | null,
  ...children: readonly Child[]
): Html {
  if (typeof tag === "function") return tag(props ?? ({} as Props));
  const inner = children.map(render).join("");
  if (tag === Fragment) return new Html(inner);
  const attributes = Object.entries(props ?? {})
    .map(([name, value]) => ` ${name}="${escape(String(value))}"`)
    .join("");
  return new Html(`<${tag}${attributes}>${inner}</${tag}>`);
}

function render(child: Child): string {
  if (child instanceof Html) return child.toString();
  return typeof child === "string" ? escape(child) : child.map(render).join("");
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
