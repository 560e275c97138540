import BitNetKit
import Foundation

// Colours, on a terminal only.
extension Terminal {
    /// Whether results are shown in colour: on a terminal that has them, unless `NO_COLOR` is set.
    static let usesColour: Bool = {
        let environment = ProcessInfo.processInfo.environment
        return isatty(STDOUT_FILENO) == 1 && (environment["NO_COLOR"] ?? "").isEmpty
            && environment["TERM"] != "dumb"
    }()

    /// Writes lines to standard output, in colour where there is.
    static func write(_ lines: [ShownLine]) throws(BitNetError) {
        guard usesColour, !OutputFile.hasTakenOutput else { return try write(lines.plain + "\n") }
        try writeColoured(
            lines.map { line in
                line.pieces.map { piece in
                    guard let code = code(of: piece.kind) else { return printable(piece.text) }
                    return "\u{1B}[\(code)m\(printable(piece.text))\u{1B}[0m"
                }.joined() + "\n"
            }.joined())
    }

    private static func code(of kind: ShownLine.Kind) -> String? {
        switch kind {
        case .plain: nil
        case .offset, .zero: "2"
        case .bytes: "36"
        case .negative: "34"
        case .positive: "32"
        case .invalid: "31;1"
        case .scale: "33"
        case .value: "35"
        }
    }
}
