import BitNetKit
import Foundation

/// The terminal in the state in which every key comes at once and unseen, and back from there.
///
/// It is put back on every way out: by `leave`, when the process exits, and when a signal ends it.
enum RawTerminal {
    /// Begins. False where there is no terminal to set.
    static func enter() -> Bool {
        guard tcgetattr(STDIN_FILENO, &settingsBefore) == 0 else { return false }
        _ = (restoresAtExit, pasteEnd, isInterruptIgnored)
        var settings = settingsBefore
        settings.c_iflag &= ~tcflag_t(BRKINT | ICRNL | INPCK | ISTRIP | IXON)
        settings.c_lflag &= ~tcflag_t(ECHO | ICANON | IEXTEN | ISIG)
        withUnsafeMutableBytes(of: &settings.c_cc) {
            $0[Int(VMIN)] = 1
            $0[Int(VTIME)] = 0
        }
        // Signals that come from now on find out what there is to put back.
        isRaw = true
        followSignals()
        guard tcsetattr(STDIN_FILENO, TCSADRAIN, &settings) == 0 else {
            leave()
            return false
        }
        put(pasteBegin)
        return true
    }

    /// Puts everything back.
    static func leave() {
        guard isRaw else { return }
        put(pasteEnd)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &settingsBefore)
        isRaw = false
        for (number, action) in earlier {
            var action = action
            sigaction(number, &action, nil)
        }
        earlier = []
    }

    /// Stops the process as Ctrl-Z does, until the shell lets it go on.
    static func suspend() -> Bool {
        leave()
        raiseHere(SIGTSTP)
        return enter()
    }

    /// Does what Ctrl-C does: it ends the process, unless whoever started it has it ignored.
    static func interrupt() {
        guard !isInterruptIgnored else { return }
        leave()
        end(by: SIGINT)
    }

    /// Ends the process as a signal ends one that has no handler for it.
    static func end(by number: Int32) -> Never {
        signal(number, SIG_DFL)
        raiseHere(number)
        exit(128 + number)
    }

    /// Raises a signal that has come when this returns: threads of a queue hold signals back.
    private static func raiseHere(_ number: Int32) {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, number)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        raise(number)
    }

    /// Columns and rows; those of old terminals where it does not say.
    static var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0
        else { return (80, 24) }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Bytes that wait to be read.
    static var waitingBytes: Int {
        #if os(Linux)
            var count: Int32 = 0
            return ioctl(STDIN_FILENO, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
        #else
            return 0
        #endif
    }

    // MARK: - Signals

    /// What ends a process, by somebody's wish or by a fault.
    private static let signals = [
        SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP,
    ]

    private static func followSignals() {
        for number in signals {
            // Whoever started the program wants it to outlive these.
            if Interrupt.isIgnored(number) { continue }
            var (new, old) = (sigaction(), sigaction())
            new.sa_flags = Int32(truncatingIfNeeded: SA_RESETHAND) | Int32(SA_NODEFER)
            new.setHandler(putBackAndEnd)
            sigaction(number, &new, &old)
            earlier.append((number, old))
        }
    }

    /// Looked at before there is a handler.
    private static let isInterruptIgnored = Interrupt.isIgnored(SIGINT)

    private static let restoresAtExit: Void = {
        atexit { RawTerminal.leave() }
    }()

    fileprivate static func put(_ bytes: UnsafeBufferPointer<UInt8>) {
        _ = write(STDOUT_FILENO, bytes.baseAddress, bytes.count)
    }
}

// Read by signal handlers, which may neither wait nor take memory: plain globals, written before a
// handler is set.

nonisolated(unsafe) private var settingsBefore = termios()
nonisolated(unsafe) private var isRaw = false
nonisolated(unsafe) private var earlier: [(signal: Int32, action: sigaction)] = []

/// From here on a terminal marks what is pasted, up to the other one.
nonisolated(unsafe) private let pasteBegin = bytes("\u{1B}[?2004h")
nonisolated(unsafe) private let pasteEnd = bytes("\u{1B}[?2004l")

private func bytes(_ text: String) -> UnsafeBufferPointer<UInt8> {
    let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.utf8.count)
    _ = copy.initialize(from: text.utf8)
    return UnsafeBufferPointer(copy)
}

private func putBackAndEnd(_ number: Int32) {
    if isRaw {
        RawTerminal.put(pasteEnd)
        tcsetattr(STDIN_FILENO, TCSANOW, &settingsBefore)
        isRaw = false
    }
    // The handler is gone by now.
    raise(number)
}
