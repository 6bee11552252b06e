use std::net::TcpListener;

use super::Inheritance;
use crate::runner::channel::Channel;
use crate::runner::options::MAX_WORKERS;
use crate::runner::worker::Set;

fn set(names: &[&str]) -> Set {
    let socket = || TcpListener::bind("127.0.0.1:0").unwrap().into();
    names
        .iter()
        .map(|name| ((*name).to_owned(), socket()))
        .collect()
}

async fn received(sets: Vec<Set>) -> Vec<Vec<String>> {
    let (ours, theirs) = Channel::pair().unwrap();
    let (ours, theirs) = (Channel::new(ours).unwrap(), Channel::new(theirs).unwrap());
    let inheritance = Inheritance {
        sets,
        ..Inheritance::default()
    };
    let (sent, received) = tokio::join!(inheritance.send(&ours), Inheritance::receive(&theirs));
    sent.unwrap();
    let names = |set: Set| set.into_iter().map(|(name, _)| name).collect();
    received.unwrap().sets.into_iter().map(names).collect()
}

#[tokio::test]
async fn every_worker_keeps_its_place() {
    for names in [
        vec![vec!["a"], vec!["a", "b"]],
        vec![vec![], vec!["a"]],
        vec![vec!["a"], vec![], vec!["b"]],
        vec![vec!["a"], vec![], vec![]],
        vec![],
    ] {
        let sets = names.iter().map(|names| set(names)).collect();
        assert_eq!(received(sets).await, names);
    }
}

#[tokio::test]
async fn there_are_no_more_workers_than_can_be() {
    for (count, held) in [
        (MAX_WORKERS - 1, MAX_WORKERS - 1),
        (MAX_WORKERS, MAX_WORKERS),
        (MAX_WORKERS + 1, MAX_WORKERS),
    ] {
        let sets = (0..count).map(|_| Set::new()).collect();
        assert_eq!(received(sets).await.len(), held);
    }
}
