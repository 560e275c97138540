import Foundation
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import TernaryCompute

@Suite("Keys of a GGUF source in the converted file")
struct SourceKeyTests {
    /// Keys that converters, model cards and other programs write, of every type.
    private static let keys: [(key: String, value: GGUFValue)] = [
        ("general.author", .string("somebody")), ("general.license", .string("mit")),
        ("general.tags", .array(GGUFArray(["a", "b"]))), ("general.size_label", .string("1M")),
        ("general.base_model.count", .uint32(1)), ("general.description", .string("")),
        ("general.base_model.0.repo_url", .string("https://example.org")),
        ("general.alignment", .uint32(64)), ("quantize.imatrix.entries_count", .int32(-7)),
        ("my.flag", .bool(true)), ("my.small", .int8(-3)), ("my.byte", .uint8(200)),
        ("my.short", .int16(-300)), ("my.word", .uint16(60_000)), ("my.long", .int64(.min)),
        ("my.big", .uint64(.max)), ("my.half", .float32(0.1)), ("my.real", .float64(1e300)),
        ("my.empty", .array(GGUFArray([Int32]()))),
        ("my.numbers", .array(GGUFArray([1, 2] as [Float]))),
        ("my.bytes", .bytes(ByteRegion([0xFF, 0x41]))), ("e\u{301}.x", .string("one")),
        ("\u{E9}.x", .string("another")), ("llama2.x", .uint32(2)),
    ]

    private func bytes(_ key: String, _ value: GGUFValue) throws -> [UInt8] {
        try GGUFHeaderWriter(metadata: [.init(key, value)], tensors: []).bytes
    }

    @Test("keys that are not the graph's keep their value and type", arguments: TinyModel.files)
    func kept(_ source: URL) throws {
        let folder = try TemporaryFolder()
        var model = try EditableGGUF(source)
        for (key, value) in Self.keys { model.metadata.append(.init(key, value)) }
        let url = URL(fileURLWithPath: folder.file("converted.gguf"))
        let path = try model.write(to: folder)
        let report = try BitNetConverter.convert(from: path, to: url)
        #expect(report.warnings.isEmpty)
        let file = try GGUFFile(opening: url.path)
        for (key, value) in Self.keys {
            let found = try #require(file[key], "\(key)")
            #expect(try bytes(key, found) == bytes(key, value), "\(key)")
        }
        // Nothing of the source is lost, and what the conversion decides is as it was asked for.
        let replaced: Set = ["general.file_type", "general.quantization_version"]
        for entry in try EditableGGUF(source).metadata where !replaced.contains(entry.key) {
            #expect(file[entry.key] != nil, "\(entry.key)")
        }
        #expect(try file.int("general.file_type") == 40)
        #expect(Set(file.metadata.map { ExactString($0.key) }).count == file.metadata.count)
        #expect(try TinyModel.haveSameLogits(url, source))
        // Once more changes nothing at all.
        let again = try convert(url, in: folder, name: "again.gguf")
        #expect(try Data(contentsOf: again) == Data(contentsOf: url))
    }

    @Test("neutral keys of the graph follow the architecture's name")
    func renamed() throws {
        let folder = try TemporaryFolder()
        var model = try EditableGGUF(try convert(TinyModel.bitnetFolder, in: folder))
        model.rename(to: "bitnet-25")
        model["bitnet-25.expert_count"] = .uint32(0)
        model["bitnet-25.rope.scaling.type"] = .string("none")
        model["bitnet-25.pooling_type"] = .uint32(2)
        let url = try convert(try model.write(to: folder), in: folder, name: "new.gguf")
        let file = try GGUFFile(opening: url.path)
        #expect(try file.string("general.architecture") == "bitnet-b1.58")
        #expect(try file.int("bitnet-b1.58.expert_count") == 0)
        #expect(try file.string("bitnet-b1.58.rope.scaling.type") == "none")
        #expect(try file.int("bitnet-b1.58.pooling_type") == 2)
        #expect(!file.metadata.contains { $0.key.hasPrefix("bitnet-25.") })
        #expect(try TinyModel.haveSameLogits(url, TinyModel.bitnetFolder))
    }

    @Test("a name that is not UTF-8 keeps its bytes")
    func name() throws {
        let folder = try TemporaryFolder()
        var model = try EditableGGUF(TinyModel.bitnetGGUF)
        let name = GGUFValue.bytes(ByteRegion([0x41, 0xFF, 0x42]))
        model["general.name"] = name
        let url = try convert(try model.write(to: folder), in: folder)
        let found = try #require(try GGUFFile(opening: url.path)["general.name"])
        #expect(try bytes("general.name", found) == bytes("general.name", name))
    }

    @Test("the keys of a split file are left out with a word")
    func split() throws {
        let folder = try TemporaryFolder()
        var model = try EditableGGUF(TinyModel.bitnetGGUF)
        model["split.count"] = .uint16(1)
        model["split.no"] = .uint16(0)
        model["split.tensors.count"] = .int32(Int32(model.tensors.count))
        let url = URL(fileURLWithPath: folder.file("converted.gguf"))
        let report = try BitNetConverter.convert(from: try model.write(to: folder), to: url)
        #expect(report.warnings.count == 1)
        for key in ["split.count", "split.no", "split.tensors.count"] {
            #expect(report.warnings.first?.contains(key) == true)
            #expect(try GGUFFile(opening: url.path)[key] == nil)
        }
    }
}
