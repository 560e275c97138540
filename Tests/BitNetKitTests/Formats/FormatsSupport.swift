import Foundation

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Little-endian bytes, written independently of the library's own writer.
struct RawBytes {
    var bytes: [UInt8] = []

    mutating func number(_ value: UInt64, size: Int) {
        for index in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
    }
    mutating func u32(_ value: UInt32) { number(UInt64(value), size: 4) }
    mutating func u64(_ value: UInt64) { number(value, size: 8) }
    mutating func string(_ value: String) {
        u64(UInt64(value.utf8.count))
        bytes += value.utf8
    }
}

/// A GGUF file in memory, any part of which can be made wrong.
struct RawGGUF {
    var magic = "GGUF"
    var version: UInt32 = 3
    var tensorCount: UInt64?
    var entryCount: UInt64?
    var alignment = 32
    var data: [UInt8] = []
    private var entries = RawBytes()
    private var entriesWritten: UInt64 = 0
    private var infos = RawBytes()
    private var infosWritten: UInt64 = 0

    mutating func entry(_ key: String, type: UInt32, _ value: [UInt8]) {
        entries.string(key)
        entries.u32(type)
        entries.bytes += value
        entriesWritten += 1
    }

    mutating func entry(_ key: String, u32 value: UInt32) {
        var raw = RawBytes()
        raw.u32(value)
        entry(key, type: 4, raw.bytes)
    }

    mutating func entry(_ key: String, string value: String) {
        var raw = RawBytes()
        raw.string(value)
        entry(key, type: 8, raw.bytes)
    }

    mutating func entry(_ key: String, strings values: [String]) {
        var raw = RawBytes()
        raw.u32(8)
        raw.u64(UInt64(values.count))
        for value in values { raw.string(value) }
        entry(key, type: 9, raw.bytes)
    }

    /// Dimensions fastest first, as in the file.
    mutating func tensor(_ name: String, _ dimensions: [UInt64], type: UInt32, offset: UInt64) {
        infos.string(name)
        infos.u32(UInt32(dimensions.count))
        for dimension in dimensions { infos.u64(dimension) }
        infos.u32(type)
        infos.u64(offset)
        infosWritten += 1
    }

    var bytes: [UInt8] {
        var raw = RawBytes(bytes: Array(magic.utf8))
        raw.u32(version)
        raw.u64(tensorCount ?? infosWritten)
        raw.u64(entryCount ?? entriesWritten)
        raw.bytes += entries.bytes + infos.bytes
        while raw.bytes.count % alignment != 0 { raw.bytes.append(0) }
        return raw.bytes + data
    }

    func open() throws(BitNetError) -> GGUFFile {
        try GGUFFile(ByteRegion(bytes, path: "raw.gguf"))
    }

    /// One value of every type, and tensors of three types.
    static var everything: RawGGUF {
        var file = RawGGUF()
        file.entry("general.architecture", string: "test")
        file.entry("a.u8", type: 0, [200])
        file.entry("a.i8", type: 1, [0xFF])
        file.entry("a.u16", type: 2, [0x34, 0x12])
        file.entry("a.i16", type: 3, [0xFE, 0xFF])
        file.entry("a.u32", u32: 70_000)
        file.entry("a.i32", type: 5, [0xFD, 0xFF, 0xFF, 0xFF])
        file.entry("a.f32", type: 6, [0, 0, 0xC0, 0x3F])
        file.entry("a.bool", type: 7, [1])
        file.entry("a.u64", type: 10, [0, 0, 0, 0, 1, 0, 0, 0])
        file.entry("a.i64", type: 11, [UInt8](repeating: 0xFF, count: 8))
        file.entry("a.f64", type: 12, [0, 0, 0, 0, 0, 0, 0xF4, 0xBF])
        file.entry("a.strings", strings: ["", "Ġthe", "x"])
        file.entry("a.ints", type: 9, [5, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0])
        // An array of two arrays of uint8: [7], [].
        file.entry(
            "a.nested", type: 9,
            [9, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7]
                + [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        file.tensor("norm", [5], type: 0, offset: 0)
        file.tensor("ternary", [128, 3], type: 36, offset: 32)
        file.tensor("blocks", [32, 2], type: 8, offset: 160)
        file.data = (0..<256).map { UInt8($0) }
        return file
    }
}

/// A safetensors file in memory.
func rawSafetensors(_ header: String, data: Int, length: UInt64? = nil) -> [UInt8] {
    var raw = RawBytes()
    raw.u64(length ?? UInt64(header.utf8.count))
    return raw.bytes + header.utf8 + [UInt8](repeating: 1, count: data)
}

/// A folder that is removed when the object goes.
final class TemporaryFolder {
    let path = NSTemporaryDirectory() + "bitnetkit-\(UInt64.random(in: 0 ... .max))"

    init() throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }

    @discardableResult
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
        return file(name)
    }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        try write(name, Array(text.utf8))
    }

    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }
}

/// The error that `body` throws, if it does.
func failure<Value: ~Copyable>(_ body: () throws(BitNetError) -> Value) -> BitNetError? {
    do {
        _ = try body()
        return nil
    } catch { return error }
}

extension BitNetError {
    var isMalformedFile: Bool { if case .malformedFile = self { true } else { false } }
    var isUnsupportedFormat: Bool { if case .unsupportedFormat = self { true } else { false } }
    var isInvalidMetadata: Bool { if case .invalidMetadata = self { true } else { false } }
    var isInvalidArgument: Bool { if case .invalidArgument = self { true } else { false } }
    var isUnwritable: Bool { if case .unwritable = self { true } else { false } }
    var isUnreadable: Bool { if case .unreadable = self { true } else { false } }
}
