// The pages of the shop. The list is fetched by the browser, from the other worker of the host.

const PAGE = `<!doctype html>
<title>Shop</title>
<h1>Shop</h1>
<ul></ul>
<script type="module">
  const { items } = await (await fetch("/api/items")).json();
  document.querySelector("ul").append(...items.map(({ title }) => {
    const item = document.createElement("li");
    item.textContent = title;
    return item;
  }));
</script>
`;

export default {
  fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname !== "/") {
      return new Response("There is no such page.\n", { status: 404 });
    }
    return new Response(PAGE, { headers: { "content-type": "text/html; charset=utf-8" } });
  },
};
