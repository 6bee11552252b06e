//! Both directions of a connection, and its end.

use std::{pin::pin, sync::Arc};

use tokio::{io::split, select, sync::watch};

use super::{
    Cut, Direction, Toxics,
    connections::Record,
    pipe::{Finish, Pipe},
    wire::Wire,
};

/// Carries what `client` and `server` have to say to each other, until both have ended or the connection is cut.
pub(super) async fn relay(
    client: Wire,
    server: Wire,
    toxics: watch::Receiver<Toxics>,
    mut cut: watch::Receiver<Option<Cut>>,
    record: Arc<Record>,
    seed: u64,
) {
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    let pipe = |direction, reader, writer, seed| {
        let (toxics, record) = (toxics.clone(), Arc::clone(&record));
        Pipe::new(direction, reader, writer, toxics, record, seed)
    };
    let mut up = pipe(Direction::ToServer, from_client, to_server, seed);
    let mut down = pipe(Direction::ToClient, from_server, to_client, !seed);
    let finish = run(&mut up, &mut down, &mut cut).await;

    let client = up.reader.unsplit(down.writer);
    let server = down.reader.unsplit(up.writer);
    match finish {
        Finish::Closed => {}
        Finish::Reset | Finish::Cut(Cut::Reset) => {
            client.reset();
            server.reset();
        }
        Finish::Cut(Cut::Fin) => {
            record.closed();
            tokio::join!(client.finish(), server.finish());
        }
    }
    record.closed();
}

async fn run(up: &mut Pipe, down: &mut Pipe, cut: &mut watch::Receiver<Option<Cut>>) -> Finish {
    let (mut up, mut down) = (pin!(up.run()), pin!(down.run()));
    let (mut up_runs, mut down_runs) = (true, true);
    while up_runs || down_runs {
        let finish = select! {
            biased;
            Ok(told) = cut.wait_for(Option::is_some) => match *told {
                Some(cut) => Finish::Cut(cut),
                None => Finish::Closed,
            },
            finish = &mut up, if up_runs => {
                up_runs = false;
                finish
            }
            finish = &mut down, if down_runs => {
                down_runs = false;
                finish
            }
        };
        if finish != Finish::Closed {
            return finish;
        }
    }
    Finish::Closed
}
