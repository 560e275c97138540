import Dispatch
import Foundation

/// Makes the first Ctrl-C call `action` instead of ending the process; the second one ends it.
struct Interrupt {
    private let source: any DispatchSourceSignal

    init(_ action: @escaping @Sendable () -> Void) {
        signal(SIGINT, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler {
            signal(SIGINT, SIG_DFL)
            action()
        }
        source.resume()
    }

    /// Back to how it was.
    func end() {
        source.cancel()
        signal(SIGINT, SIG_DFL)
    }
}
