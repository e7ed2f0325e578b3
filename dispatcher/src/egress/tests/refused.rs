//! What is not reached.

use super::*;
use bindery_logic::egress::Range;

async fn range(asked: &Asked, url: &str) -> Range {
    match asked.error(url).await {
        Error::Refused { range, .. } => range,
        other => panic!("{url}: {other}"),
    }
}

#[tokio::test]
async fn every_notation_of_this_machine_is_refused() {
    let asked = Asked::public(&[]);
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "127.255.255.254",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "0x7F000001",
        "0x7f.1",
        "00000177.00.0x0.1",
        "127.0.0.1:8080",
        "user:word@127.0.0.1",
        "example.com@127.0.0.1",
        "example.com%40@127.0.0.1",
        "%31%32%37.0.0.1",
        "127.0.0.%31",
        "127.\n0.0.1",
        "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
        "127\u{3002}0\u{ff0e}0.1",
        "\u{2460}\u{2461}\u{2466}.0.0.1",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::0001]:8080",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0000:0000:0000:0000:0000:FFFF:7f00:0001]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "localhost",
        "LocalHost",
        "localhost.",
        "\u{217c}ocalhost",
        "a.b.localhost",
    ] {
        assert_eq!(range(&asked, &format!("http://{host}/")).await, Range::Loopback, "{host:?}");
    }
    for url in [
        "http:127.0.0.1/",
        "http:\\\\127.0.0.1\\x",
        "HTTPS://127.0.0.1",
        "  http://127.0.0.1/ ",
        "http://127.0.0.1#@example.com/",
        "http://127.0.0.1?@example.com/",
        "ht\ttp://127.0.0.1/",
    ] {
        assert_eq!(range(&asked, url).await, Range::Loopback, "{url:?}");
    }
    assert_eq!(asked.names.lookup_count(), 0);
}

#[tokio::test]
async fn each_kind_of_address_that_is_not_public_is_refused() {
    let asked = Asked::public(&[]);
    for (host, expected) in [
        ("0", Range::Unspecified),
        ("0.0.0.0", Range::Unspecified),
        ("[::]", Range::Unspecified),
        ("10.0.0.1", Range::Private),
        ("012.1", Range::Private),
        ("172.16.0.1", Range::Private),
        ("192.168.1.1", Range::Private),
        ("0xc0a80101", Range::Private),
        ("100.64.0.1", Range::Shared),
        ("169.254.169.254", Range::LinkLocal),
        ("2852039166", Range::LinkLocal),
        ("0251.0376.0251.0376", Range::LinkLocal),
        ("[::ffff:a9fe:a9fe]", Range::LinkLocal),
        ("[fe80::1]", Range::LinkLocal),
        ("[fd00:ec2::254]", Range::Private),
        ("[fec0::1]", Range::Private),
        ("224.0.0.1", Range::Multicast),
        ("255.255.255.255", Range::Multicast),
        ("[ff02::1]", Range::Multicast),
        ("192.0.2.1", Range::Example),
        ("198.18.0.1", Range::Example),
        ("[2001:db8::1]", Range::Example),
        ("240.0.0.1", Range::Reserved),
        ("[2001:0:7f00:1::]", Range::Reserved),
    ] {
        assert_eq!(range(&asked, &format!("https://{host}/")).await, expected, "{host}");
    }
}

#[tokio::test]
async fn what_is_not_a_url_of_a_web_server_is_refused() {
    let asked = Asked::public(&[]);
    let long = format!("http://a.test/{}", "x".repeat(20_000));
    for url in [
        "",
        "/path",
        "//a.test/",
        "http://",
        "http://:80/",
        "http://[fe80::1%25lo]/",
        "http://[::1/",
        "http://256.256.256.256/",
        "http://0x100000000/",
        "http://1.2.3.4.5/",
        "http://a.test:99999/",
        "http://a b.test/",
        "http://a%00.test/",
        "file:///etc/passwd",
        "ftp://a.test/",
        "gopher://a.test/",
        "data:text/plain,x",
        "unix:/run/x.sock",
        "http+unix://x/",
        "javascript:1",
        &long,
    ] {
        let error = asked.error(url).await;
        assert!(matches!(error, Error::Url { .. }), "{url}: {error}");
        assert_eq!(error.fault(), Fault::Tenant);
    }
    for port in [22, 25, 6667] {
        let error = asked.error(&format!("http://a.test:{port}/")).await;
        assert!(matches!(error, Error::Port { .. }), "{port}: {error}");
    }
    assert_eq!(asked.names.lookup_count(), 0);
}

#[tokio::test]
async fn a_name_with_any_private_address_is_refused_before_a_connection() {
    let origin = Origin::start(|_| async { Response::new(full("secret")) }).await;
    let asked = Asked::public(&[]);
    let port = origin.address.port();
    for (name, addresses, expected) in [
        ("private.test", &["127.0.0.1"][..], Range::Loopback),
        ("mixed.test", &["1.1.1.1", "127.0.0.1"], Range::Loopback),
        ("mapped.test", &["::ffff:127.0.0.1"], Range::Loopback),
        ("metadata.test", &["169.254.169.254"], Range::LinkLocal),
        ("six.test", &["2606:4700::1111", "fd00::1"], Range::Private),
        ("many.test", &["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5", "10.0.0.1"], {
            Range::Private
        }),
    ] {
        asked.names.set(name, &[addresses]);
        let found = range(&asked, &format!("http://{name}:{port}/")).await;
        assert_eq!(found, expected, "{name}");
    }
    assert_eq!(origin.connection_count(), 0);
    let error = asked.error("http://private.test:8080/").await.to_string();
    assert!(error.contains("private.test") && error.contains("--allow-private-egress"), "{error}");
    assert!(!error.contains("127.0.0.1"), "what a name resolves to is not told: {error}");
}

/// A name whose server answers its second lookup with a private address: the connection goes to
/// the address that was checked, and the next connection is checked anew.
#[tokio::test]
async fn the_checked_address_is_the_one_that_is_reached() {
    let inside = Origin::start(|_| async { Response::new(full("inside")) }).await;
    let port = inside.address.port();
    let outside = Origin::listen(&format!("127.0.0.2:{port}"), |mut stream, _| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let _ = stream.read(&mut [0; 4096]).await;
        let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 7\r\n\r\noutside";
        stream.write_all(answer).await.expect("written");
    })
    .await;
    let asked = Asked::public(&["127.0.0.2/32"]);
    asked.names.set("rebound.test", &[&["127.0.0.2"], &["127.0.0.1"]]);
    let url = format!("http://rebound.test:{port}/");
    assert_eq!(asked.text(&url).await, "outside");
    assert_eq!(asked.names.lookup_count(), 1);
    assert_eq!(range(&asked, &url).await, Range::Loopback);
    assert_eq!((outside.connection_count(), inside.connection_count()), (1, 0));
}

#[tokio::test]
async fn the_admin_port_is_not_reached_by_any_address_of_this_machine() {
    let asked = Asked::public(&["127.0.0.1/32"]);
    let (seen, first) = tokio::sync::oneshot::channel();
    let seen = Mutex::new(Some(seen));
    let origin = Origin::listen("127.0.0.1:0", move |mut stream, _| {
        let seen = seen.lock().expect("no panic").take();
        async move {
            let mut bytes = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes).await;
            let _ = seen.map(|seen| seen.send(bytes));
        }
    })
    .await;
    asked.egress.keep_from(origin.address.port());
    let error = asked.error(&origin.url("/v1/tenants")).await;
    assert!(matches!(error, Error::Port { .. }), "{error}");
    assert_eq!(within(first).await, Ok(Vec::new()), "not one byte was sent");
}

#[tokio::test]
async fn with_the_flag_this_machine_is_reached_by_name_and_address() {
    let origin = Origin::start(|_| async { Response::new(full("here")) }).await;
    let asked = Asked::open();
    asked.names.set("localhost", &[&["127.0.0.1"]]);
    let port = origin.address.port();
    for host in ["127.0.0.1", "127.1", "localhost"] {
        assert_eq!(asked.text(&format!("http://{host}:{port}/")).await, "here");
    }
}

/// The environment of this process is not a test's to change, so another one runs a test.
#[tokio::test]
async fn a_proxy_of_the_environment_is_not_used() {
    let trap = Origin::start(|_| async { Response::new(full("trapped")) }).await;
    let program = std::env::current_exe().expect("this program");
    let mut command = tokio::process::Command::new(program);
    command.kill_on_drop(true).args(["--exact"]).arg(concat!(
        "egress::tests::refused::",
        "with_the_flag_this_machine_is_reached_by_name_and_address"
    ));
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, trap.url(""));
    }
    let output = within(command.output()).await.expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(trap.connection_count(), 0);
}
