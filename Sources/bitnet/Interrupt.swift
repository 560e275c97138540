import Foundation
import Synchronization

/// Makes the first Ctrl-C call `action` instead of ending the process; the second one ends it.
///
/// One at a time. The action runs on a thread of its own, so that it comes even where work fills
/// every core and every queue.
struct Interrupt {
    /// Ctrl-C, the wish to end, and the loss of the terminal.
    static let everySignal = [SIGINT, SIGTERM, SIGHUP]

    fileprivate final class Received: Sendable {
        let signal = Mutex<Int32?>(nil)
        let action: @Sendable (_ signal: Int32) -> Void

        init(_ action: @escaping @Sendable (Int32) -> Void) { self.action = action }

        func note(_ number: Int32) {
            signal.withLock { $0 = $0 ?? number }
            action(number)
        }
    }

    private var earlier: [(signal: Int32, action: sigaction)] = []
    private let received: Received

    /// - Parameter signals: what calls `action` the first time and ends the process the second, unless
    ///   it is ignored.
    init(_ signals: [Int32] = [SIGINT], _ action: @escaping @Sendable (_ signal: Int32) -> Void) {
        received = Received(action)
        SignalThread.follow(received)
        for number in signals {
            // What was ignored when the program began stays so: under nohup the loss of the terminal,
            // in the background of a script Ctrl-C.
            if Self.isIgnored(number) { continue }
            var (new, old) = (sigaction(), sigaction())
            // The system takes the handler away by itself: a second signal needs no thread of ours.
            new.sa_flags = Int32(SA_RESTART) | Int32(truncatingIfNeeded: SA_RESETHAND)
            new.setHandler(tellSignalThread)
            sigaction(number, &new, &old)
            earlier.append((number, old))
        }
    }

    /// Whether a signal does nothing.
    static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        sigaction(number, nil, &action)
        #if canImport(Musl)
            let handler = action.__sa_handler.sa_handler
        #elseif os(Linux)
            let handler = action.__sigaction_handler.sa_handler
        #else
            let handler = action.__sigaction_u.__sa_handler
        #endif
        return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// The exit code of a process that a signal ends; nil where none has come.
    var exitCode: Int32? { received.signal.withLock { $0 }.map { 128 + $0 } }

    /// Back to how it was.
    func end() {
        for (number, action) in earlier {
            var action = action
            sigaction(number, &action, nil)
        }
        SignalThread.follow(nil)
    }
}

extension sigaction {
    /// Makes `handler` what is called; each C library has the field under another name.
    mutating func setHandler(_ handler: @escaping @convention(c) (Int32) -> Void) {
        #if canImport(Musl)
            __sa_handler.sa_handler = handler
        #elseif os(Linux)
            __sigaction_handler.sa_handler = handler
        #else
            __sigaction_u.__sa_handler = handler
        #endif
    }
}

/// Waits for signals, which their handler writes into a pipe: it may do hardly anything else.
private enum SignalThread {
    private static let current = Mutex<Interrupt.Received?>(nil)

    /// The pipe's end for the handler. Made with the thread, by the first use.
    private static let isRunning: Bool = {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return false }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        signalPipe = ends[1]
        let source = ends[0]
        let thread = Thread { wait(for: source) }
        thread.name = "bitnet.signals"
        thread.start()
        return true
    }()

    /// Sends the signals that come from now on to `received`.
    static func follow(_ received: Interrupt.Received?) {
        _ = isRunning
        current.withLock { $0 = received }
    }

    private static func wait(for source: Int32) {
        var number: UInt8 = 0
        while true {
            let count = read(source, &number, 1)
            guard count == 1 || (count < 0 && errno == EINTR) else { return }
            if count == 1 { current.withLock { $0 }?.note(Int32(number)) }
        }
    }
}

/// Where the handler writes; set before there is a handler.
nonisolated(unsafe) private var signalPipe: Int32 = -1

private func tellSignalThread(_ number: Int32) {
    let code = errno
    var byte = UInt8(truncatingIfNeeded: number)
    _ = write(signalPipe, &byte, 1)
    errno = code
}
