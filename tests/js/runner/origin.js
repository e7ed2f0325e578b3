// Where the cases of fetch go, on whichever runtime: a worker that stands in for the internet.

const GZIP = "H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==";
const redirect = (status, to) => new Response("moved", { status, headers: { location: to } });

export default {
  async fetch(request) {
    const url = new URL(request.url);
    const [, what, argument] = url.pathname.split("/");
    switch (what) {
      case "echo": {
        const { method } = request;
        const body = await request.text();
        return Response.json({ method, url: request.url, headers: [...request.headers], body });
      }
      case "bytes":
        return new Response(request.body);
      case "status": {
        const status = Number(argument);
        return new Response([204, 304].includes(status) ? null : "text", { status });
      }
      case "cookies": {
        const headers = [["set-cookie", "a=b"], ["set-cookie", "c=d"], ["x-a", "1"]];
        return new Response("", { headers });
      }
      case "redirect":
        return redirect(Number(argument), url.searchParams.get("to") ?? "/echo");
      case "loop":
        return redirect(302, "/loop");
      case "gzip": {
        const bytes = Uint8Array.from(atob(GZIP), (character) => character.charCodeAt(0));
        const headers = { "content-encoding": "gzip" };
        return new Response(bytes, { encodeBody: "manual", headers });
      }
      case "slow":
        await scheduler.wait(60_000);
        return new Response("slow");
      case "drip": {
        let timer;
        return new Response(
          new ReadableStream({
            start(controller) {
              controller.enqueue(new Uint8Array([1]));
              timer = setInterval(() => controller.enqueue(new Uint8Array([1])), 20);
            },
            cancel() {
              clearInterval(timer);
            },
          }),
        );
      }
      default:
        return new Response("nothing here", { status: 404 });
    }
  },
};
