import Foundation
import Synchronization
import Testing

@testable import BitNetFiles
@testable import BitNetKit

/// What `BitNetConverter` writes into, and when it stops.
@Suite("Targets of conversions")
struct ConversionTargetTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func refusal(_ source: String, _ target: String) -> BitNetError? {
        failure { () throws(BitNetError) in
            try BitNetConverter.convert(
                from: URL(fileURLWithPath: source), to: URL(fileURLWithPath: target))
        }
    }

    /// All files of the folder, with their contents.
    private var contents: [String: Data] {
        get throws {
            let names = try folder.names.filter { !$0.hasPrefix("to") }
            return try Dictionary(
                uniqueKeysWithValues: names.map {
                    ($0, try Data(contentsOf: URL(fileURLWithPath: folder.file($0))))
                })
        }
    }

    @Test("a model in one file is converted onto itself through every name it has")
    func ownFile() throws {
        let bytes = try Data(contentsOf: TinyModel.bitnetGGUF)
        let before = try TinyModel.logits(TinyModel.bitnetGGUF)
        for name in ["m.gguf", "toModel", "toLink", "hard.gguf"] {
            for old in try folder.names { unlink(folder.file(old)) }
            let model = try folder.write("m.gguf", Array(bytes))
            link(model, folder.file("hard.gguf"))
            symlink("m.gguf", folder.file("toModel"))
            symlink("toModel", folder.file("toLink"))
            #expect(refusal(model, folder.file(name)) == nil)
            let written = name == "hard.gguf" ? name : "m.gguf"
            #expect(try TinyModel.logits(URL(fileURLWithPath: folder.file(written))) == before)
            // The other name of the file keeps what was there.
            let other = name == "hard.gguf" ? "m.gguf" : "hard.gguf"
            #expect(try contents[other] == bytes && contents[written] != bytes)
            #expect(try folder.names == ["hard.gguf", "m.gguf", "toLink", "toModel"])
        }
    }

    @Test("the only copy of a model is not replaced by less, unless that is asked for")
    func lossyReplacement() throws {
        func convert(
            _ model: String, _ target: String, _ options: ConversionOptions
        ) -> BitNetError? {
            failure { () throws(BitNetError) in
                try BitNetConverter.convert(
                    from: URL(fileURLWithPath: model), to: URL(fileURLWithPath: target),
                    options: options)
            }
        }
        var masters = try EditableGGUF(TinyModel.bitnetGGUF)
        let name = "blk.0.attn_q.weight"
        let shape = masters[tensor: name].shape
        masters[tensor: name].type = .f32
        masters[tensor: name].bytes = floatBytes(
            (0..<shape.reduce(1, *)).map { Float($0 % 7) / 7 - 0.4 })
        let cases: [(EditableGGUF, ConversionOptions)] = [
            // Scales become float16, the embedding is rounded, master weights are rounded to trits.
            (try EditableGGUF(TinyModel.bitnetGGUF), .init(ternary: .f16)),
            (try EditableGGUF(TinyModel.bitnetGGUF), .init(embedding: .q8_0)),
            (masters, .init()),
        ]
        for (file, options) in cases {
            let model = try file.write(to: folder, "m.gguf").path
            let bytes = try Data(contentsOf: URL(fileURLWithPath: model))
            symlink("m.gguf", folder.file("to"))
            for target in [model, folder.file("to")] {
                let error = convert(model, target, options)
                #expect(error?.isUnwritable == true)
                #expect(error?.description.contains("--replace-input") == true)
                #expect(try Data(contentsOf: URL(fileURLWithPath: model)) == bytes)
                #expect(try folder.names == ["m.gguf", "to"])
            }
            #expect(convert(model, folder.file("to.gguf"), options) == nil)
            var asked = options
            asked.replacesSource = true
            #expect(convert(model, model, asked) == nil)
            let written = try Data(contentsOf: URL(fileURLWithPath: model))
            #expect(try written == Data(contentsOf: URL(fileURLWithPath: folder.file("to.gguf"))))
            unlink(folder.file("to.gguf"))
            // What is rounded already loses nothing by being written once more.
            #expect(convert(model, model, options) == nil)
        }
    }

    @Test("no file of a folder is written over, and a GGUF file beside them is")
    func folderFiles() throws {
        let model = try EditableFolder(TinyModel.bitnetFolder).write(to: folder)
        let before = try contents
        #expect(before.count >= 2)
        for name in before.keys {
            #expect(refusal(model.path, folder.file(name))?.isUnwritable == true, "\(name)")
            let weights = folder.file("model.safetensors")
            #expect(refusal(weights, folder.file(name))?.isUnwritable == true, "\(name)")
        }
        #expect(try contents == before)
        for _ in 0..<2 { #expect(refusal(model.path, folder.file("to.gguf")) == nil) }
        #expect(try TinyModel.haveSameLogits(URL(fileURLWithPath: folder.file("to.gguf")), model))
    }

    @Test("no part of a split model is written over")
    func parts() throws {
        var file = try EditableGGUF(TinyModel.bitnetGGUF)
        let tensors = file.tensors
        let half = tensors.count / 2
        for (number, part) in [tensors[..<half], tensors[half...]].enumerated() {
            file.tensors = Array(part)
            file["split.count"] = .uint16(2)
            file["split.no"] = .uint16(UInt16(number))
            file["split.tensors.count"] = .int32(Int32(tensors.count))
            _ = try file.write(to: folder, "m-0000\(number + 1)-of-00002.gguf")
        }
        let before = try contents
        for name in before.keys {
            let error = refusal(folder.file("m-00001-of-00002.gguf"), folder.file(name))
            #expect(error?.isUnwritable == true, "\(name)")
        }
        #expect(try contents == before && before.count == 2)
        #expect(refusal(folder.file("m-00002-of-00002.gguf"), folder.file("to.gguf")) == nil)
    }

    @Test(
        "a conversion that is cancelled ends soon and leaves the old file", arguments: [0.0, 0.3])
    func cancelled(_ share: Double) async throws {
        let target = try folder.write("old.gguf", "old")
        let latest = Mutex(0.0)
        let task = Task.detached {
            failure { () throws(BitNetError) in
                try BitNetConverter.convert(
                    from: TinyModel.llamaGGUF, to: URL(fileURLWithPath: target)
                ) { fraction in
                    latest.withLock { $0 = fraction }
                    if fraction >= share { withUnsafeCurrentTask { $0?.cancel() } }
                }
            }
        }
        #expect(await task.value == .cancelled)
        #expect(latest.withLock { $0 } < 0.9)
        #expect(try folder.names == ["old.gguf"])
        #expect(try String(contentsOfFile: target, encoding: .utf8) == "old")
    }
}
