//! The text forms of the core.

use cyclone_core::{ClientEndpoint, Endpoint, EntryId, Network};

/// What is printed parses to the same.
pub(crate) fn endpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match text.parse::<Endpoint>() {
        Ok(endpoint) => {
            let shown = endpoint.to_string();
            assert_eq!(shown.parse::<Endpoint>(), Ok(endpoint), "{shown:?}");
        }
        Err(error) => assert!(error.to_string().contains(text)),
    }
    if !text.is_empty() {
        for endpoint in [
            Endpoint::unix(text),
            Endpoint::unix("a").owner(text).group(text),
            Endpoint::unix_abstract(text),
            Endpoint::systemd(text),
        ] {
            let shown = endpoint.to_string();
            assert_eq!(shown.parse::<Endpoint>(), Ok(endpoint), "{text:?}");
        }
    }
}

/// The same of the endpoints of clients.
pub(crate) fn client_endpoint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match text.parse::<ClientEndpoint>() {
        Ok(endpoint) => {
            let shown = endpoint.to_string();
            assert_eq!(shown.parse::<ClientEndpoint>(), Ok(endpoint), "{shown:?}");
        }
        Err(error) => assert!(error.to_string().contains(text)),
    }
    if !text.is_empty() {
        for endpoint in [
            ClientEndpoint::tcp(text, 1),
            ClientEndpoint::unix(text),
            ClientEndpoint::unix_abstract(text),
        ] {
            let shown = endpoint.to_string();
            assert_eq!(shown.parse::<ClientEndpoint>(), Ok(endpoint), "{text:?}");
        }
    }
}

/// What is printed parses to the same, and a network holds its first address.
pub(crate) fn network(data: &[u8]) {
    for text in crate::texts(data) {
        match text.parse::<Network>() {
            Ok(network) => {
                let shown = network.to_string();
                assert_eq!(shown.parse(), Ok(network), "{shown:?}");
                let first = shown.split('/').next().and_then(|first| first.parse().ok());
                assert!(
                    first.is_some_and(|first| network.contains(first)),
                    "{shown:?}"
                );
            }
            Err(error) => assert!(error.to_string().contains(text)),
        }
    }
}

/// There is one text for each id, and ids are ordered as their numbers are.
pub(crate) fn entry_id(data: &[u8]) {
    let mut last: Option<EntryId> = None;
    for text in crate::texts(data) {
        let Ok(id) = text.parse::<EntryId>() else {
            continue;
        };
        assert_eq!(id.to_string(), text);
        if let Some(last) = last {
            let numbers = (last.high(), last.low()).cmp(&(id.high(), id.low()));
            assert_eq!(last.cmp(&id), numbers);
        }
        last = Some(id);
    }
}
