import ArgumentParser
import BitNetKit
import Foundation

// The arguments before anything looks at them.
extension BitNetCommand {
    /// Swift's own list of arguments has U+FFFD for what is not UTF-8: other text, other files.
    static func checkArguments() {
        for (index, argument) in CommandLine.unsafeArguments.enumerated().dropFirst()
        where String(validatingCString: argument) == nil {
            let shown = String(cString: argument)
            Terminal.fail("argument \(index), '\(shown)', is not UTF-8 text")
            Foundation.exit(ExitCode.validationFailure.rawValue)
        }
    }
}

extension CommandLine {
    /// The arguments as the system gives them, the program's name first.
    fileprivate static var unsafeArguments: [UnsafeMutablePointer<CChar>] {
        UnsafeBufferPointer(start: unsafeArgv, count: Int(argc)).compactMap(\.self)
    }
}
