import Foundation
import TestSupport
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import TernaryCompute

@Suite("Inspecting model files")
struct ModelInspectionTests {
    @Test("trits, silent rows and scales are those of the loaded model", arguments: TinyModel.all)
    func sameAsLoaded(url: URL) async throws {
        let inspection = try ModelInspection.inspect(url)
        let model = try await BitNetModel.load(url, options: LoadOptions(sparsity: .off))
        let matrices = model.transformer.blocks.flatMap(\.ternary)
        let found = inspection.tensors.filter { $0.ternary != nil }
        #expect(found.count == matrices.count && !found.isEmpty)
        let trits = matrices.map { $0.statistics() }
        #expect(inspection.trits.zeros == trits.reduce(0) { $0 + $1.zeros })
        #expect(inspection.trits.positives == trits.reduce(0) { $0 + $1.positives })
        #expect(inspection.trits.negatives == trits.reduce(0) { $0 + $1.negatives })
        for block in model.transformer.blocks.indices {
            let gate = model.transformer.blocks[block].feedForward.gate.weight
            let up = model.transformer.blocks[block].feedForward.up.weight
            let silent = (0..<gate.rows).count { row in
                gate.trits(ofRow: row).allSatisfy { $0 == 0 }
                    || up.trits(ofRow: row).allSatisfy { $0 == 0 }
            }
            #expect(inspection.silentNeurons[block] == silent)
        }
        let graph = try #require(inspection.graph)
        #expect(graph.layers == model.configuration.layerCount)
        #expect(graph.vocabulary == model.configuration.vocabularySize)
        let scales = Set(matrices.map(\.scale.largest))
        #expect(Set(found.compactMap { $0.ternary?.largestScale }) == scales)
    }

    @Test("planted silent neurons and columns are found, whichever matrix has them")
    func planted() throws {
        let folder = try TemporaryFolder()
        var model = try EditableFolder(TinyModel.bitnetFolder)
        model.erase(rows: [3, 5], of: "model.layers.0.mlp.gate_proj.weight")
        model.erase(rows: [5, 7, 90], of: "model.layers.0.mlp.up_proj.weight")
        model.erase(columns: [2, 11], of: "model.layers.1.mlp.down_proj.weight")
        let inspection = try ModelInspection.inspect(try model.write(to: folder))
        let before = try ModelInspection.inspect(TinyModel.bitnetFolder)
        #expect(before.silentNeurons.allSatisfy { $0 == 0 })
        #expect(inspection.silentNeurons == [4] + before.silentNeurons.dropFirst())
        let gate = inspection.tensors.first { $0.name.hasSuffix("layers.0.mlp.gate_proj.weight") }
        #expect(gate?.ternary?.zeroRows == [3, 5])
        let down = inspection.tensors.first { $0.name.hasSuffix("layers.1.mlp.down_proj.weight") }
        #expect(down?.ternary?.zeroColumns == [2, 11])
        #expect(inspection.trits.zeros > before.trits.zeros)
        #expect(inspection.table.contains("2 columns"))
        #expect("\(inspection)".contains("layer 0: 4, "))
    }

    @Test("bits per weight and byte: none where all are alike, log2(3) where all are as frequent")
    func entropies() throws {
        func content(_ trits: [Int8]) throws -> TernaryContent {
            let source = TernarySource(
                tensor: try CheckpointTensor(
                    name: "w", type: .f32, shape: [4, 96],
                    region: ByteRegion(floatBytes(trits.map { Float($0) * 0.5 }))),
                rows: 4, columns: 96, scaleTensor: nil, direction: .multiply,
                masters: .requireTernary, interleavedHeads: 0)
            return try source.content(Compute.standard.pool)
        }
        let ones = try content([Int8](repeating: 1, count: 384))
        #expect(ones.bitsPerWeight == 0 && ones.largestScale == 0.5)
        // 0.5 is 00 00 00 3F.
        #expect(abs(ones.bitsPerByte - 0.811278) < 1e-6)
        #expect(abs(ones.compressibility - (1 - 0.811278 / 8)) < 1e-6)
        let thirds = try content((0..<384).map { Int8($0 % 3) - 1 })
        #expect(abs(thirds.bitsPerWeight - log2(3)) < 1e-12)
        #expect(thirds.trits == TernaryStatistics(negatives: 128, zeros: 128, positives: 128))
    }

    @Test("bits in memory are those of the packed matrices", arguments: TernaryLayout.allCases)
    func packedBits(layout: TernaryLayout) async throws {
        for url in TinyModel.all {
            let inspection = try ModelInspection.inspect(url)
            let model = try await BitNetModel.load(
                url, options: LoadOptions(layout: layout, sparsity: .off))
            let matrices = model.transformer.blocks.flatMap(\.ternary)
            let bytes = matrices.reduce(0) { $0 + $1.trits.storage.count }
            let weights = matrices.reduce(0) { $0 + $1.rows * $1.columns }
            let bits = try #require(inspection.bitsPerWeight(packedAs: layout))
            #expect(abs(bits - Double(bytes) * 8 / Double(weights)) < 1e-9)
        }
    }

    @Test(
        "a model without a name has that of its folder or file, if that is one",
        arguments: [
            ("Falcon3-1.58bit", nil, "Falcon3-1.58bit"), ("tiny/packed", nil, "tiny"),
            ("tiny/model/packed", nil, "tiny"), ("packed", "owner/base-1b", "base-1b"),
            ("mine", "owner/base-1b", "mine"),
            (
                "models--owner--name-2B/snapshots/0123456789abcdef0123456789abcdef01234567", nil,
                "owner/name-2B"
            ),
        ] as [(String, String?, String)])
    func names(path: String, origin: String?, name: String) throws {
        let folder = try TemporaryFolder()
        let place = folder.file(path)
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        let written = try TemporaryFolder()
        var model = try EditableFolder(TinyModel.bitnetFolder)
        model.config["_name_or_path"] = origin
        let source = try model.write(to: written)
        for file in try written.names {
            try FileManager.default.copyItem(
                at: source.appendingPathComponent(file),
                to: URL(fileURLWithPath: "\(place)/\(file)"))
        }
        let url = URL(fileURLWithPath: place)
        #expect(try ModelInspection.inspect(url).graph?.name == name)
        #expect(try BitNetModel.plan(url).name == name)
        // A file without a name of its own, in the same place.
        var file = try EditableGGUF(TinyModel.bitnetGGUF)
        file["general.name"] = nil
        let bytes = try Data(contentsOf: try file.write(to: written, "model.gguf"))
        try bytes.write(to: URL(fileURLWithPath: "\(place)/model.gguf"))
        let inspection = try ModelInspection.inspect(
            URL(fileURLWithPath: "\(place)/model.gguf"))
        // Such a file has no configuration beside it that would say more.
        if path != "packed" { #expect(inspection.graph?.name == name) }
        try bytes.write(to: URL(fileURLWithPath: "\(place)/story-1.58b.gguf"))
        let named = try ModelInspection.inspect(
            URL(fileURLWithPath: "\(place)/story-1.58b.gguf"))
        #expect(named.graph?.name == "story-1.58b")
    }

    @Test("what was found goes to JSON and back")
    func coded() throws {
        let inspection = try ModelInspection.inspect(TinyModel.llamaGGUF)
        let data = try JSONEncoder().encode(inspection)
        let object = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        let bits = object?["bits"] as? [String: Double]
        #expect(bits?["stored"] == inspection.storedBitsPerWeight)
        #expect(bits?["t5"] == inspection.bitsPerWeight(packedAs: .t5))
        #expect(try JSONDecoder().decode(ModelInspection.self, from: data) == inspection)
    }
}

@Suite("Inspecting odd model files")
struct OddInspectionTests {
    private func inspect(
        _ url: URL, _ change: (inout EditableGGUF) throws -> Void
    ) throws -> ModelInspection {
        let folder = try TemporaryFolder()
        var model = try EditableGGUF(url)
        try change(&model)
        return try ModelInspection.inspect(try model.write(to: folder))
    }

    @Test("a graph that is not known leaves the tensors and says so")
    func unknownGraph() throws {
        let inspection = try inspect(TinyModel.llamaGGUF) { $0.rename(to: "mamba") }
        #expect(inspection.graph == nil && inspection.silentNeurons.isEmpty)
        #expect(inspection.tensors.count > 10 && inspection.parameterCount > 0)
        #expect(inspection.warnings.contains { $0.contains("'mamba'") })
        // What is ternary by its type is counted all the same.
        let known = try ModelInspection.inspect(TinyModel.llamaGGUF)
        #expect(inspection.trits == known.trits && inspection.bits == known.bits)
        #expect(inspection.tensors.allSatisfy { $0.layer == nil })
        #expect(known.tensors.contains { $0.layer == 1 && $0.part == "mlp.down_proj" })
    }

    @Test("a scale of 0 is noted: of a whole matrix, and of some of its rows")
    func zeroScale() throws {
        let whole = try inspect(TinyModel.bitnetGGUF) { model in
            let name = "blk.0.ffn_up.weight"
            let start = model[tensor: name].bytes.count - 32
            model[tensor: name].bytes.replaceSubrange(start..<start + 4, with: floatBytes([0]))
        }
        #expect(whole.warnings.count { $0.contains("'blk.0.ffn_up.weight' is 0") } == 1)
        let some = try inspect(TinyModel.llamaGGUF) { model in
            // A block of 66 bytes ends with its scale; another scale keeps the rows apart.
            for (block, half) in [(0, [UInt8(0), 0]), (5, [0, 0x40])] {
                let end = (block + 1) * 66
                model[tensor: "blk.0.ffn_up.weight"].bytes.replaceSubrange(
                    end - 2..<end, with: half)
            }
        }
        #expect(some.warnings.count { $0.contains("some scales of 'blk.0.ffn_up") } == 1)
    }

    @Test("long names leave the table 80 columns wide")
    func wideNames() throws {
        let inspection = try inspect(TinyModel.bitnetGGUF) { model in
            var extra = model[tensor: "blk.0.attn_k.weight"]
            extra.name = String(repeating: "very.long.", count: 12) + "name"
            model.tensors.append(extra)
        }
        for line in inspection.table.split(separator: "\n") { #expect(line.count <= 80) }
        #expect(inspection.table.contains("..."))
    }

    @Test("tensors without a configuration are named as such, not their folder")
    func tensorsAlone() throws {
        let folder = try TemporaryFolder()
        let weights = TinyModel.bitnetFolder.appendingPathComponent("model.safetensors")
        try folder.write("hidden.safetensors", [UInt8](try Data(contentsOf: weights)))
        let url = URL(fileURLWithPath: folder.file("hidden.safetensors"))
        let error = #expect(throws: BitNetError.self) { try ModelInspection.inspect(url) }
        #expect(error.map { "\($0)".contains("hidden.safetensors: tensors alone") } == true)
    }

    @Test("a damaged matrix is named, and all others are read")
    func damaged() throws {
        let name = "blk.0.ffn_up.weight"
        let inspection = try inspect(TinyModel.bitnetGGUF) { $0[tensor: name].bytes[5] = 0xFF }
        let whole = try ModelInspection.inspect(TinyModel.bitnetGGUF)
        for (tensor, before) in zip(inspection.tensors, whole.tensors) {
            if tensor.name == name {
                #expect(tensor.ternary == nil && tensor.problem?.contains("no trit") == true)
            } else {
                #expect(tensor == before)
            }
        }
        #expect(inspection.table.contains("unreadable"))
        #expect(inspection.silentNeurons[0] == nil && whole.silentNeurons[0] != nil)
        #expect(inspection.warnings.count { $0.contains(name) && $0.contains("not counted") } == 1)
    }

    @Test("a name with an end of a line makes no line of its own")
    func forged() throws {
        let inspection = try inspect(TinyModel.bitnetGGUF) { model in
            model["general.name"] = .string("x\nkind      FAKE")
            var extra = model[tensor: "blk.0.attn_k.weight"]
            extra.name = "extra\nsilent    0 of 1"
            model.tensors.append(extra)
        }
        for text in ["\(inspection)", inspection.table] {
            for line in text.split(separator: "\n") {
                #expect(!line.hasPrefix("kind      FAKE") && !line.hasPrefix("silent    0 of 1"))
            }
        }
    }

    @Test("a matrix that is missing, or one too many, is a warning")
    func missing() throws {
        let less = try inspect(TinyModel.bitnetGGUF) { model in
            model.tensors.removeAll { $0.name == "blk.0.attn_k.weight" }
        }
        #expect(less.warnings.count { $0.contains("blk.0.attn_k.weight") } == 1)
        #expect(less.trits.count > 0)
        let more = try inspect(TinyModel.bitnetGGUF) { model in
            var extra = model[tensor: "blk.0.attn_k.weight"]
            extra.name = "blk.0.attn_extra.weight"
            model.tensors.append(extra)
        }
        #expect(more.warnings.contains { $0.contains("blk.0.attn_extra.weight") })
    }

    @Test("weights that are not ternary: how much rounding them would lose, and that it ruins")
    func notTernary() throws {
        let name = "blk.0.ffn_up.weight"
        let inspection = try inspect(TinyModel.llamaGGUF) { model in
            let count = model[tensor: name].shape.reduce(1, *)
            model[tensor: name].type = .f32
            model[tensor: name].bytes = floatBytes(randomFloats(count, seed: 3))
        }
        let tensor = try #require(inspection.tensors.first { $0.name == name })
        let error = try #require(tensor.ternary?.roundingError)
        #expect(error > 0.05 && error < 0.5)
        #expect(inspection.warnings.contains { $0.contains("1 matrix is not ternary") })
        let before = try ModelInspection.inspect(TinyModel.llamaGGUF)
        #expect(before.warnings.allSatisfy { !$0.contains("not ternary") })
    }

    @Test("master weights are said to be such, with what rounding them loses as intended")
    func masters() async throws {
        let folder = try TemporaryFolder()
        var model = try EditableFolder(TinyModel.bitnetFolder)
        model[quantization: "quantization_mode"] = "online"
        model.tensors.removeAll { $0.name.hasSuffix("_scale") }
        let count = model.tensors.count { $0.dtype == "U8" }
        model.tensors = model.tensors.enumerated().map { index, tensor in
            guard tensor.dtype == "U8" else { return tensor }
            var master = tensor
            master.dtype = "F32"
            master.shape[0] *= 4
            master.bytes = floatBytes(
                randomFloats(master.shape.reduce(1, *), seed: UInt64(index)))
            return master
        }
        let url = try model.write(to: folder)
        let inspection = try ModelInspection.inspect(url)
        let errors = inspection.tensors.compactMap(\.ternary?.roundingError)
        #expect(errors.count == count && errors.allSatisfy { $0 > 0.05 && $0 < 0.5 })
        #expect(
            inspection.warnings.count {
                $0.contains("\(count) matrices") && $0.contains("master weights")
            } == 1)
        let verified = try await ModelVerification.verify(
            url, options: LoadOptions(threads: 1))
        #expect(verified[.codes]?.outcome == .passed)
        #expect(verified[.codes]?.detail.contains("\(count) matrices are master weights") == true)
    }

    @Test("what a file leaves open is noted: words, activation function, template")
    func leftOpen() throws {
        let inspection = try inspect(TinyModel.bitnetGGUF) { model in
            model["tokenizer.ggml.pre"] = nil
            model["tokenizer.chat_template"] = .string("BITNETAssistant: {{ messages }}")
        }
        for part in ["tokenizer.ggml.pre", "activation function", "placeholder"] {
            #expect(inspection.warnings.count { $0.contains(part) } == 1, "\(part)")
        }
        let stated = try inspect(TinyModel.bitnetGGUF) { model in
            model["\(model.architecture).hidden_act"] = .string("silu")
        }
        #expect(stated.warnings.allSatisfy { !$0.contains("activation function") })
    }

    @Test("a tokenizer that cannot be read is a warning")
    func badTokenizer() throws {
        let inspection = try inspect(TinyModel.bitnetGGUF) { $0["tokenizer.ggml.model"] = nil }
        #expect(inspection.graph != nil && inspection.trits.count > 0)
        #expect(inspection.warnings.contains { $0.contains("no vocabulary") })
    }

    @Test("no file, and no model file, are errors")
    func noFile() throws {
        #expect(throws: BitNetError.self) {
            try ModelInspection.inspect(URL(fileURLWithPath: "/nowhere/model.gguf"))
        }
        let folder = try TemporaryFolder()
        try folder.write("model.gguf", [UInt8]("GGUF and no more".utf8))
        #expect(throws: BitNetError.self) {
            try ModelInspection.inspect(URL(fileURLWithPath: folder.file("model.gguf")))
        }
    }

    @Test("a cancelled task reads no further")
    func cancelled() async throws {
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return Result { () throws(BitNetError) in
                try ModelInspection.inspect(TinyModel.bitnetGGUF)
            }
        }
        guard case .failure(.cancelled) = await task.value else {
            Issue.record("it was read")
            return
        }
    }
}

extension TransformerBlock {
    fileprivate var ternary: [TernaryMatrix] {
        let linears = [
            attention.query, attention.key, attention.value, attention.output,
            feedForward.gate, feedForward.up, feedForward.down,
        ]
        return linears.map(\.weight)
    }
}

extension EditableFolder {
    /// Makes weights of a packed matrix 0. Row `r` of it is in two bits of byte row `r % (rows / 4)`.
    private mutating func erase(of name: String, _ isErased: (_ row: Int, _ column: Int) -> Bool) {
        var tensor = self[tensor: name]
        let (rows, columns) = (tensor.shape[0], tensor.shape[1])
        for row in 0..<4 * rows {
            for column in 0..<columns where isErased(row, column) {
                let shift = UInt8(row / rows * 2)
                let place = row % rows * columns + column
                tensor.bytes[place] = tensor.bytes[place] & ~(3 << shift) | 1 << shift
            }
        }
        self[tensor: name] = tensor
    }

    fileprivate mutating func erase(rows: Set<Int>, of name: String) {
        erase(of: name) { row, _ in rows.contains(row) }
    }

    fileprivate mutating func erase(columns: Set<Int>, of name: String) {
        erase(of: name) { _, column in columns.contains(column) }
    }
}
