import Dispatch
import Foundation
import Synchronization

/// Makes the first Ctrl-C call `action` instead of ending the process; the second one ends it.
struct Interrupt {
    /// Ctrl-C, the wish to end, and the loss of the terminal.
    static let everySignal = [SIGINT, SIGTERM, SIGHUP]

    private final class Received: Sendable {
        let signal = Mutex<Int32?>(nil)
    }

    private var sources: [any DispatchSourceSignal] = []
    private let received = Received()

    /// - Parameter signals: what calls `action` the first time and ends the process the second.
    init(_ signals: [Int32] = [SIGINT], _ action: @escaping @Sendable () -> Void) {
        // Work that fills the cores also fills the threads of the global queues.
        let queue = DispatchQueue(label: "bitnet.signals", qos: .userInteractive)
        for number in signals {
            // Under nohup the loss of the terminal means nothing.
            if number == SIGHUP, Self.isIgnored(number) { continue }
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { [received] in
                signal(number, SIG_DFL)
                received.signal.withLock { $0 = $0 ?? number }
                action()
            }
            source.resume()
            sources.append(source)
        }
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        sigaction(number, nil, &action)
        #if os(Linux)
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
        for source in sources {
            source.cancel()
            signal(Int32(source.handle), SIG_DFL)
        }
    }
}
