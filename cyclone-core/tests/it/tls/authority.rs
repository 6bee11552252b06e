//! An authority for tests, and what it signs.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cyclone_core::tls::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, RevokedCertParams, SignatureAlgorithm,
};

const DAY: Duration = Duration::from_secs(86_400);

/// Signs certificates.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What is asked of an authority.
pub(super) struct Request {
    names: Vec<String>,
    common_name: String,
    serial: u64,
    valid_from: SystemTime,
    expires: SystemTime,
    usage: ExtendedKeyUsagePurpose,
    algorithm: &'static SignatureAlgorithm,
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn issue(&self, request: Request) -> Issued {
        let mut params = CertificateParams::new(request.names).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, request.common_name);
        params.serial_number = Some(request.serial.into());
        params.not_before = request.valid_from.into();
        params.not_after = request.expires.into();
        params.extended_key_usages = vec![request.usage];
        let key = KeyPair::generate_for(request.algorithm).unwrap();
        Issued {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// A server's certificate, good for these names.
    pub(super) fn server(&self, names: &[&str]) -> Issued {
        self.issue(Request::server(names))
    }

    /// A client's certificate.
    pub(super) fn client(&self, name: &str) -> Issued {
        self.issue(Request::client(name))
    }

    /// A list that revokes these serial numbers and is up to date for a day.
    pub(super) fn revocation_list(&self, serials: &[u64]) -> String {
        self.revocation_list_until(serials, SystemTime::now() + DAY)
    }

    pub(super) fn revocation_list_until(&self, serials: &[u64], until: SystemTime) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: (*serial).into(),
            revocation_time: (SystemTime::now() - DAY).into(),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: (SystemTime::now() - 3 * DAY).into(),
            next_update: until.into(),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

impl Request {
    pub(super) fn server(names: &[&str]) -> Self {
        Self {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            common_name: names.first().copied().unwrap_or("server").to_owned(),
            serial: 1,
            valid_from: SystemTime::now() - DAY,
            expires: SystemTime::now() + 90 * DAY,
            usage: ExtendedKeyUsagePurpose::ServerAuth,
            algorithm: &PKCS_ECDSA_P256_SHA256,
        }
    }

    pub(super) fn client(name: &str) -> Self {
        Self {
            names: vec![format!("{name}.clients.example")],
            common_name: name.to_owned(),
            usage: ExtendedKeyUsagePurpose::ClientAuth,
            ..Self::server(&[])
        }
    }

    pub(super) fn serial(mut self, serial: u64) -> Self {
        self.serial = serial;
        self
    }

    pub(super) fn common_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.common_name);
        self
    }

    pub(super) fn algorithm(mut self, algorithm: &'static SignatureAlgorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Valid in the past only.
    pub(super) fn expired(mut self) -> Self {
        self.valid_from = SystemTime::now() - 2 * DAY;
        self.expires = SystemTime::now() - DAY;
        self
    }

    /// Valid in the future only.
    pub(super) fn early(mut self) -> Self {
        self.valid_from = SystemTime::now() + DAY;
        self.expires = SystemTime::now() + 2 * DAY;
        self
    }
}

impl Issued {
    pub(super) fn identity(&self) -> Identity {
        Identity::pem(self.certificate.as_str(), self.key.as_str())
    }

    /// Writes both into a folder, as `NAME.crt` and `NAME.key`.
    pub(super) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let certificate = folder.join(name).with_extension("crt");
        let key = folder.join(name).with_extension("key");
        std::fs::write(&certificate, &self.certificate).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        (certificate, key)
    }
}
