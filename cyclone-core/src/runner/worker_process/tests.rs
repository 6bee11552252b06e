use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::{ORPHAN_TIMEOUT, Orders, WorkerProcess};
use crate::runner::channel::Channel;
use crate::runner::exit::Exit;
use crate::runner::logging::LogHandle;
use crate::runner::options::{Parsed, Program};
use crate::runner::privileges::Privileges;
use crate::runner::process::Process;
use crate::runner::report::Report;
use crate::runner::signals::Signals;
use crate::runner::worker::{Event, ORDER_QUEUE, Order, Set, Teller};

/// Runs a worker process that nobody leads, with a worker that answers so many times and then ends or not.
async fn orphan(answers: usize, ends: bool) -> Result<Report, Exit> {
    let (ours, theirs) = Channel::pair().unwrap();
    let channel = Channel::new(ours).unwrap();
    drop(theirs);
    let (_process, asked) = Process::new();
    let Parsed::Run(settings) = Program::new("x").parse_from::<()>(["x"], NOTHING).unwrap() else {
        unreachable!("nothing was to be printed");
    };
    let worker = WorkerProcess {
        channel: &channel,
        signals: Signals::install().unwrap(),
        asked,
        privileges: &Privileges::resolve(&settings.process).unwrap(),
        log: &LogHandle::nowhere(),
        reload: &Vec::new,
    };
    let orders = Orders {
        number: 0,
        workers: 1,
        inherited: Set::new(),
    };
    let launch = move |_set, teller: Teller| {
        let (orders, received) = mpsc::channel(ORDER_QUEUE);
        tokio::spawn(work(received, teller, answers, ends));
        Ok(orders)
    };
    worker.run(orders, Box::new(launch)).await
}

const NOTHING: [(&str, &str); 0] = [];

async fn work(mut orders: mpsc::Receiver<Order>, teller: Teller, answers: usize, ends: bool) {
    let mut left = answers;
    while let Some(order) = orders.recv().await {
        if order == Order::Ping && left > 0 {
            left -= 1;
            teller.tell(Event::Pong).await;
        }
        if left == 0 && ends {
            teller.tell(Event::Ended(Ok(Report::default()))).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_nobody_leads_and_that_is_blocked_ends() {
    for answers in [0, 1, 5] {
        let begun = Instant::now();
        let ended = timeout(100 * ORPHAN_TIMEOUT, orphan(answers, false)).await;
        let exit = ended.unwrap().unwrap_err();
        assert!(exit.reason().contains("does not answer"), "{exit}");
        let silent = u32::try_from(answers).unwrap() + 1;
        assert_eq!(begun.elapsed(), silent * ORPHAN_TIMEOUT);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_answers_takes_its_time() {
    let begun = Instant::now();
    assert_eq!(orphan(7, true).await.unwrap(), Report::default());
    assert_eq!(begun.elapsed(), 6 * ORPHAN_TIMEOUT);
}
