//! Compressed bodies.

use super::*;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http_body::Frame;
use http_body_util::StreamBody;
use std::io::Write;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("in memory");
    encoder.finish().expect("in memory")
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("in memory");
    encoder.finish().expect("in memory")
}

/// What `brotli` makes of "a brotli text, a brotli text, a brotli text".
const BROTLI: &[u8] = &[
    0x1b, 0x2a, 0x00, 0xf8, 0x05, 0x74, 0x63, 0xa9, 0x8e, 0xfe, 0x5a, 0x14, 0x0c, 0x82, 0x20, 0xc8,
    0x83, 0xc1, 0x54, 0x08, 0x90, 0x83, 0xbc, 0xf5, 0x34, 0xae, 0xb7, 0x00,
];
const BROTLI_TEXT: &str = "a brotli text, a brotli text, a brotli text";

/// A body in chunks of this many bytes, and how many of them were taken.
fn chunked(bytes: &[u8], size: usize) -> (IncomingBody, Arc<AtomicUsize>) {
    let chunks: Vec<Bytes> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
    let taken = Arc::<AtomicUsize>::default();
    let counted = taken.clone();
    let frames = chunks.into_iter().map(move |chunk| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(Frame::data(chunk))
    });
    (StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync(), taken)
}

async fn decoded(encoding: &str, bytes: &[u8], size: usize) -> Result<String, Error> {
    let headers = with_headers(&[("content-encoding", encoding)]);
    let body = within(super::decode(&headers, chunked(bytes, size).0).collect()).await?;
    Ok(String::from_utf8(body.to_bytes().into()).expect("text"))
}

#[tokio::test]
async fn each_encoding_is_decoded_however_it_is_cut() {
    let text = "some text, and some more text. ".repeat(5_000);
    let (one, two) = text.split_at(7_777);
    let files = [gzip(one.as_bytes()), gzip(two.as_bytes())].concat();
    let bytes = text.as_bytes();
    for size in [1, 2, 7, 100, 4_096, 1 << 20] {
        for (encoding, encoded) in [
            ("gzip", gzip(bytes)),
            ("X-GZip", gzip(bytes)),
            ("gzip", files.clone()),
            ("gzip", [gzip(bytes), b"trailing".to_vec()].concat()),
            ("deflate", zlib(bytes)),
            ("deflate", deflate(bytes)),
        ] {
            let found = decoded(encoding, &encoded, size).await.expect("decodes");
            assert!(found == text, "{encoding} in chunks of {size}: {} bytes", found.len());
        }
        assert_eq!(decoded("br", BROTLI, size).await.expect("decodes"), BROTLI_TEXT);
    }
}

#[tokio::test]
async fn what_is_not_known_or_not_one_is_left_as_it_is() {
    let plain = b"plain";
    for encoding in ["identity", "zstd", "gzip, br", "compress", ""] {
        assert_eq!(decoded(encoding, plain, 2).await.expect("as it is"), "plain", "{encoding}");
        assert!(!is_encoded(&with_headers(&[("content-encoding", encoding)])));
    }
    let two = with_headers(&[("content-encoding", "gzip"), ("content-encoding", "gzip")]);
    assert!(!is_encoded(&two) && !is_encoded(&HeaderMap::new()));
    assert!(is_encoded(&with_headers(&[("content-encoding", "br")])));
    // A response to HEAD has the header and no body.
    assert_eq!(decoded("gzip", b"", 1).await.expect("empty"), "");
}

#[tokio::test]
async fn broken_and_cut_data_is_an_error() {
    let good = gzip(b"some text that is long enough to be cut");
    let mut flipped = good.clone();
    flipped[12] ^= 0xff;
    let cut = &good[..good.len() - 1];
    for (encoding, bytes) in [
        ("gzip", &b"not gzip"[..]),
        ("gzip", &flipped),
        ("gzip", cut),
        ("gzip", &good[..1]),
        ("deflate", &zlib(b"some text")[..8]),
        ("deflate", &[0xff, 0xff]),
        ("br", &BROTLI[..BROTLI.len() - 1]),
        ("br", &[0xff, 0xff, 0xff]),
    ] {
        for size in [1, 1_000] {
            let error = decoded(encoding, bytes, size).await.expect_err("broken");
            assert!(matches!(error, Error::Decode { .. }), "{encoding}: {error}");
        }
    }
}

/// A few bytes that are many: as much is decoded as somebody reads, and no more.
#[tokio::test]
async fn a_bomb_is_as_large_as_its_reader_lets_it_become() {
    let bomb = gzip(&vec![0; 64 << 20]);
    let headers = with_headers(&[("content-encoding", "gzip")]);
    for size in [256, 1 << 20] {
        let (body, taken) = chunked(&bomb, size);
        let mut body = super::decode(&headers, body);
        for _ in 0..8 {
            let frame = within(body.frame()).await.expect("more").expect("a frame");
            assert!(frame.into_data().expect("data").len() <= 32 << 10);
        }
        // 256 bytes make 256 KiB, so eight frames need two chunks, if nothing is read ahead.
        assert!(taken.load(Ordering::SeqCst) <= 3, "{taken:?} chunks were taken");
    }
}

/// An encoded body over a real connection: its connection is kept when the data has ended.
#[tokio::test]
async fn a_decoded_body_gives_its_connection_back() {
    let origin = Origin::start(|_| async {
        let mut response = Response::new(full(gzip(b"some text")));
        response.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
        response
    })
    .await;
    let asked = Asked::open();
    for _ in 0..2 {
        let mut incoming = asked.get(&origin.url("/")).await.expect("a response");
        incoming.body = super::decode(&incoming.headers, incoming.body);
        assert_eq!(text(incoming).await, "some text");
    }
    assert_eq!(origin.connection_count(), 1);
}
