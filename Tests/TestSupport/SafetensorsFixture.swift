public import Foundation

/// A small reader of safetensors files for tests: header length, JSON directory, raw little-endian
/// values. The library's own reader is what some of these tests check, so this one stands alone.
public struct SafetensorsFixture {
    private struct Entry: Decodable {
        var dtype: String
        var shape: [Int]
        var data_offsets: [Int]
    }

    /// What can be wrong with a fixture.
    public enum Failure: Error {
        /// The file is shorter than its header says.
        case truncated
    }

    private let entries: [String: Entry]
    private let data: [UInt8]

    /// Reads the whole file at `url`.
    public init(_ url: URL) throws {
        let file = try [UInt8](Data(contentsOf: url))
        guard file.count >= 8 else { throw Failure.truncated }
        let length = file[..<8].reversed().reduce(0) { ($0 << 8) | Int($1) }
        guard file.count - 8 >= length else { throw Failure.truncated }
        let json = Data(file[8..<(8 + length)])
        var entries: [String: Entry] = [:]
        for (name, value) in try JSONSerialization.jsonObject(with: json) as? [String: Any] ?? [:]
        where name != "__metadata__" {
            let entry = try JSONSerialization.data(withJSONObject: value)
            entries[name] = try JSONDecoder().decode(Entry.self, from: entry)
        }
        self.entries = entries
        data = Array(file[(8 + length)...])
    }

    /// The names of all tensors, sorted.
    public var names: [String] { entries.keys.sorted() }

    /// The raw bytes of a tensor, empty if there is none of that name.
    public func bytes(_ name: String) -> [UInt8] {
        guard let range = entries[name]?.data_offsets else { return [] }
        return Array(data[range[0]..<range[1]])
    }

    /// The shape of a tensor, empty if there is none of that name.
    public func shape(_ name: String) -> [Int] { entries[name]?.shape ?? [] }

    /// The values of an F32 tensor.
    public func floats(_ name: String) -> [Float] { words(name).map(Float.init(bitPattern:)) }

    /// The values of an I32 tensor.
    public func int32s(_ name: String) -> [Int32] { words(name).map(Int32.init(bitPattern:)) }

    /// The values of an I8 tensor.
    public func int8s(_ name: String) -> [Int8] { bytes(name).map(Int8.init(bitPattern:)) }

    /// The bit patterns of an I16, F16 or BF16 tensor.
    public func uint16s(_ name: String) -> [UInt16] {
        let b = bytes(name)
        return stride(from: 0, to: b.count, by: 2).map { UInt16(b[$0]) | UInt16(b[$0 + 1]) << 8 }
    }

    private func words(_ name: String) -> [UInt32] {
        let b = bytes(name)
        return stride(from: 0, to: b.count, by: 4).map { start -> UInt32 in
            b[start..<start + 4].reversed().reduce(0) { word, byte in word << 8 | UInt32(byte) }
        }
    }
}
