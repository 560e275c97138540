import ArgumentParser
import BitNetKit

/// The option of what keeps a KV cache between tokens.
struct KVCacheArgument: ParsableArguments {
    @Option(
        parsing: .unconditional, help: KVCachePrecision.help,
        completion: .list(KVCachePrecision.allCases.map(\.rawValue)),
        transform: KVCachePrecision.parse)
    var kvCache = KVCachePrecision.f16
}

extension KVCachePrecision {
    static var help: ArgumentHelp {
        .init(
            "How keys and values are cached: \(names) (default: f16; int8 takes half of that).",
            valueName: "type")
    }

    private static let names = allCases.map(\.rawValue).joined(separator: ", ")

    /// The precision called `name`.
    static func parse(_ name: String) throws -> KVCachePrecision {
        guard let precision = KVCachePrecision(rawValue: name) else {
            throw ValidationError("'\(name)' is not one of \(names)")
        }
        return precision
    }
}
