import ArgumentParser
import BitNetKit

/// What a file with I2_S tensors does not say of itself.
struct I2SArguments: ParsableArguments {
    @Option(
        name: .customLong("i2s-order"), parsing: .unconditional,
        help: .init(
            """
            Byte order of I2_S tensors: a, b or c; no file says which (default: a, that of \
            published files).
            """, valueName: "name"),
        completion: .list(["a", "b", "c"]), transform: Self.order)
    var order: I2SOrder?

    static func order(_ name: String) throws -> I2SOrder {
        guard let order = I2SOrder(rawValue: name.lowercased()) else {
            throw ValidationError("'\(name)' is none of a, b, c")
        }
        return order
    }
}
