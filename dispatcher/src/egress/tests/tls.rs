//! Encrypted connections, with authorities made here.

use super::*;
use std::io::Write;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// An egress that believes this authority too.
fn believing(authority: &Authority) -> (Asked, NamedTempFile) {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(authority.pem().as_bytes()).expect("written");
    let certificates = Some(file.path().to_owned());
    let asked = Asked::with(EgressConfig { certificates, ..EgressConfig::default() }, true);
    for name in ["good.test", "other.test", "good.test."] {
        asked.names.set(name, &[&["127.0.0.1"]]);
    }
    (asked, file)
}

/// A server with a certificate for `names`, which answers what protocol was agreed on.
async fn origin(
    authority: &Authority,
    names: &[&str],
    change: impl FnOnce(&mut CertificateParams),
) -> Origin {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("signed");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Origin::listen("127.0.0.1:0", move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            let service = service_fn(move |_| {
                let agreed = String::from_utf8(agreed.clone().unwrap_or_default());
                ready(Ok::<_, io::Error>(Response::new(full(agreed.expect("text")))))
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }
    })
    .await
}

fn url(origin: &Origin, host: &str) -> String {
    format!("https://{host}:{}/", origin.address.port())
}

#[tokio::test]
async fn a_server_of_a_known_authority_is_spoken_with() {
    let authority = authority("known");
    let origin = origin(&authority, &["good.test", "127.0.0.1"], |_| {}).await;
    let (asked, _file) = believing(&authority);
    for host in ["good.test", "127.0.0.1", "good.test", "good.test."] {
        assert_eq!(asked.text(&url(&origin, host)).await, "http/1.1", "{host}");
    }
    assert_eq!(origin.connection_count(), 3, "one is kept for each name");
}

#[tokio::test]
async fn a_certificate_of_nobody_or_for_another_name_or_time_is_refused() {
    let (known, unknown) = (authority("known"), authority("unknown"));
    let (asked, _file) = believing(&known);
    let strange = origin(&unknown, &["good.test"], |_| {}).await;
    let named = origin(&known, &["good.test"], |_| {}).await;
    let old = origin(&known, &["good.test"], |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    })
    .await;
    for (origin, host, why) in [
        (&strange, "good.test", "UnknownIssuer"),
        (&named, "other.test", "not valid for name"),
        (&named, "127.0.0.1", "not valid for name"),
        (&old, "good.test", "expired"),
    ] {
        let error = asked.error(&url(origin, host)).await;
        assert!(matches!(error, Error::Tls { .. }), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(error.fault(), Fault::Remote);
    }
}

#[tokio::test]
async fn who_does_not_speak_tls_is_refused() {
    let plain = Origin::start(|_| async { Response::new(full("plain")) }).await;
    let (asked, _file) = believing(&authority("known"));
    let error = asked.error(&url(&plain, "127.0.0.1")).await;
    assert!(matches!(error, Error::Tls { .. }), "{error}");
}

#[tokio::test]
async fn certificates_that_can_not_be_read_are_an_error_at_the_start() {
    let open = |path: &str| {
        Egress::open(Parts {
            config: EgressConfig { certificates: Some(path.into()), ..EgressConfig::default() },
            allow_private: true,
            resolver: Arc::new(System),
            tasks: Tasks::new(Handle::current()),
            clock: Clock::system(),
        })
        .is_err()
    };
    assert!(open("/nowhere/at.pem"));
    let mut broken = NamedTempFile::new().expect("a file");
    broken.write_all(b"-----BEGIN CERTIFICATE-----\n!\n").expect("written");
    assert!(open(&broken.path().display().to_string()));
    let empty = NamedTempFile::new().expect("a file");
    assert!(open(&empty.path().display().to_string()), "a file without a certificate");
}

/// The system's resolver and authorities work at all, without a connection to anybody.
#[tokio::test]
async fn the_systems_resolver_knows_addresses() {
    let permit = Arc::new(tokio::sync::Semaphore::new(1)).acquire_owned().await.expect("open");
    let found = within(System.resolve("127.0.0.1".into(), permit)).await.expect("an address");
    assert_eq!(found, ["127.0.0.1".parse::<IpAddr>().expect("an address")]);
}
