//! Encrypted connections: whom to believe.
//!
//! The system's certificate authorities, else those that the program brings along, and the
//! operator's own beside them. They are read at the first connection that needs them. Sessions are
//! not resumed, for a ticket would tell a server that two tenants are on one machine.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::error::Error;

/// Makes connections secure.
pub(super) struct Tls {
    own: Vec<CertificateDer<'static>>,
    connector: OnceCell<TlsConnector>,
}

impl Tls {
    /// Reads the operator's own authorities.
    pub(super) fn open(certificates: Option<&Path>) -> io::Result<Self> {
        let own = match certificates {
            Some(file) => read(file)?,
            None => Vec::new(),
        };
        Ok(Self { own, connector: OnceCell::new() })
    }

    /// Speaks TLS with `host`, and checks that it is that.
    pub(super) async fn secure(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let failed = |source| Error::Tls { host: host.to_owned(), source };
        let connector = self.connector.get_or_try_init(|| self.connector()).await?;
        // The final dot of a name is the resolver's affair; no certificate has one.
        let name = ServerName::try_from(host.strip_suffix('.').unwrap_or(host).to_owned());
        let name = name.map_err(|error| failed(io::Error::other(error)))?;
        connector.connect(name, stream).await.map_err(failed)
    }

    async fn connector(&self) -> Result<TlsConnector, Error> {
        let own = self.own.clone();
        let made = tokio::task::spawn_blocking(move || client_config(own)).await;
        match made {
            Ok(Ok(config)) => Ok(TlsConnector::from(Arc::new(config))),
            Ok(Err(error)) => Err(Error::NoTls(error.into())),
            Err(ended) => Err(Error::NoTls(ended.into())),
        }
    }
}

fn read(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(io::Error::other)?;
    let certificates = certificates.map(|certificate| certificate.map_err(io::Error::other));
    let certificates: Vec<_> = certificates.collect::<io::Result<_>>()?;
    if certificates.is_empty() {
        return Err(io::Error::other("the file has no certificate"));
    }
    Ok(certificates)
}

/// How many certificate authorities the system has.
pub fn system_authority_count() -> usize {
    rustls_native_certs::load_native_certs().certs.len()
}

fn client_config(own: Vec<CertificateDer<'static>>) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    let (taken, _) = roots.add_parsable_certificates(system.certs);
    if taken == 0 {
        tracing::info!("the system has no certificate authorities: the bundled ones are used");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots.add_parsable_certificates(own);
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}
