//! A helper for each application of the dialplan.

use super::Channel;
use crate::freeswitch::error::EslError;
use crate::freeswitch::message::Reply;

/// Applications of the dialplan, each as [`execute`](Channel::execute), with its errors.
#[expect(clippy::missing_errors_doc, reason = "they are those of `execute`")]
impl Channel {
    /// Answers the call.
    pub async fn answer(&self) -> Result<Reply, EslError> {
        self.execute("answer", "").await
    }

    /// Tells the caller that it rings.
    pub async fn ring_ready(&self) -> Result<Reply, EslError> {
        self.execute("ring_ready", "").await
    }

    /// Connects the channel to others: `sofia/gateway/provider/5551234`.
    pub async fn bridge(&self, destination: &str) -> Result<Reply, EslError> {
        self.execute("bridge", destination).await
    }

    /// Plays a file, or a tone: `tone_stream://%(200,100,440)`.
    pub async fn playback(&self, file: &str) -> Result<Reply, EslError> {
        self.execute("playback", file).await
    }

    /// Plays a file until something else is executed.
    pub async fn endless_playback(&self, file: &str) -> Result<Reply, EslError> {
        self.execute("endless_playback", file).await
    }

    /// Plays a file of sound and pictures.
    pub async fn play_fsv(&self, file: &str) -> Result<Reply, EslError> {
        self.execute("play_fsv", file).await
    }

    /// Records into a file: `/tmp/message.wav 20 200`.
    pub async fn record(&self, arguments: &str) -> Result<Reply, EslError> {
        self.execute("record", arguments).await
    }

    /// Records both sides of the call into a file.
    pub async fn record_session(&self, file: &str) -> Result<Reply, EslError> {
        self.execute("record_session", file).await
    }

    /// Ends [`record_session`](Self::record_session).
    pub async fn stop_record_session(&self, file: &str) -> Result<Reply, EslError> {
        self.execute("stop_record_session", file).await
    }

    /// Records sound and pictures.
    pub async fn record_fsv(&self, file: &str) -> Result<Reply, EslError> {
        self.execute("record_fsv", file).await
    }

    /// Reads digits into a variable: `1 4 prompt.wav pin 10000 #`.
    pub async fn read(&self, arguments: &str) -> Result<Reply, EslError> {
        self.execute("read", arguments).await
    }

    /// Reads digits into a variable, and asks again when they do not match.
    pub async fn play_and_get_digits(&self, arguments: &str) -> Result<Reply, EslError> {
        self.execute("play_and_get_digits", arguments).await
    }

    /// Speaks a text: `flite|kal|Hello`.
    pub async fn speak(&self, arguments: &str) -> Result<Reply, EslError> {
        self.execute("speak", arguments).await
    }

    /// Says numbers, dates and the like: `en number pronounced 42`.
    pub async fn say(&self, arguments: &str) -> Result<Reply, EslError> {
        self.execute("say", arguments).await
    }

    /// Joins a conference: `3000@default`.
    pub async fn conference(&self, name: &str) -> Result<Reply, EslError> {
        self.execute("conference", name).await
    }

    /// Sends the channel to another place of the dialplan: `1000 XML default`.
    pub async fn transfer(&self, destination: &str) -> Result<Reply, EslError> {
        self.execute("transfer", destination).await
    }

    /// Asks the other side before it hands the call over.
    pub async fn att_xfer(&self, destination: &str) -> Result<Reply, EslError> {
        self.execute("att_xfer", destination).await
    }

    /// Listens for digits in the sound.
    pub async fn start_dtmf(&self) -> Result<Reply, EslError> {
        self.execute("start_dtmf", "").await
    }

    /// Ends [`start_dtmf`](Self::start_dtmf).
    pub async fn stop_dtmf(&self) -> Result<Reply, EslError> {
        self.execute("stop_dtmf", "").await
    }

    /// Sends digits as sound; `true` for those in the message too.
    pub async fn start_dtmf_generate(&self, write: &str) -> Result<Reply, EslError> {
        self.execute("start_dtmf_generate", write).await
    }

    /// Ends [`start_dtmf_generate`](Self::start_dtmf_generate).
    pub async fn stop_dtmf_generate(&self) -> Result<Reply, EslError> {
        self.execute("stop_dtmf_generate", "").await
    }

    /// Sends digits when the other side has answered.
    pub async fn queue_dtmf(&self, digits: &str) -> Result<Reply, EslError> {
        self.execute("queue_dtmf", digits).await
    }

    /// Forgets digits that wait.
    pub async fn flush_dtmf(&self) -> Result<Reply, EslError> {
        self.execute("flush_dtmf", "").await
    }

    /// Does something when a digit comes: `2 ab s record_session::/tmp/call.wav`.
    pub async fn bind_meta_app(&self, arguments: &str) -> Result<Reply, EslError> {
        self.execute("bind_meta_app", arguments).await
    }

    /// Waits for silence: `200 15 10 5000`.
    pub async fn wait_for_silence(&self, arguments: &str) -> Result<Reply, EslError> {
        self.execute("wait_for_silence", arguments).await
    }

    /// Waits, in milliseconds.
    pub async fn sleep(&self, milliseconds: &str) -> Result<Reply, EslError> {
        self.execute("sleep", milliseconds).await
    }

    /// Sets a variable: `name=value`.
    pub async fn set(&self, assignment: &str) -> Result<Reply, EslError> {
        self.execute("set", assignment).await
    }

    /// Sets a variable of all FreeSWITCH.
    pub async fn set_global(&self, assignment: &str) -> Result<Reply, EslError> {
        self.execute("set_global", assignment).await
    }

    /// Removes a variable.
    pub async fn unset(&self, name: &str) -> Result<Reply, EslError> {
        self.execute("unset", name).await
    }

    /// Plans a command of the console: `+10 none log hello`.
    pub async fn sched_api(&self, arguments: &str) -> Result<Reply, EslError> {
        self.execute("sched_api", arguments).await
    }

    /// Puts every variable into the events.
    pub async fn verbose_events(&self) -> Result<Reply, EslError> {
        self.execute("verbose_events", "").await
    }

    /// Looks for voice mail: `start`, `stop`.
    pub async fn vmd(&self, arguments: &str) -> Result<Reply, EslError> {
        self.execute("vmd", arguments).await
    }

    /// Ends the application that is being executed.
    pub async fn send_break(&self) -> Result<Reply, EslError> {
        self.execute("break", "").await
    }

    /// Keeps the channel where it is.
    pub async fn park(&self) -> Result<Reply, EslError> {
        self.execute("park", "").await
    }
}
