public import BitNetKit
public import Foundation

/// What weights an exported model has.
public enum ExportedWeights: String, Sendable, Hashable, CaseIterable {
    /// Trits, four to a byte, and one scale for each matrix: all that the model needs. No float
    /// weight of a ternary matrix is kept.
    case packed
    /// The shadow weights in bfloat16, which are rounded to trits when they are loaded: to train on.
    /// Rounding them to bfloat16 can change single trits.
    case masters
}

extension Trainer {
    /// Writes the model as a Hugging Face folder: `config.json`, `model.safetensors`, and the
    /// tokenizer's files if there are any.
    ///
    /// A packed model gives the same logits as the trainer, bit for bit, as long as `dense` is F32.
    ///
    /// - Parameters:
    ///   - folder: where to write; made if it is not there. Files of the same names are replaced,
    ///     the weights last.
    ///   - weights: packed trits or shadow weights.
    ///   - dense: how the embedding and norms of a packed model are stored: F32, F16 or BF16.
    ///   - tokenizer: a folder with `tokenizer.json` (and `tokenizer_config.json`), or the file.
    /// - Throws: `BitNetError.unwritable`, `.fileNotFound` or `.unreadable` for the tokenizer,
    ///   `.invalidArgument` for another type.
    public func exportFolder(
        to folder: URL, weights: ExportedWeights = .packed, dense: ElementType = .f32,
        tokenizer: URL? = nil
    ) async throws(BitNetError) {
        try await onQueue { (state) throws(BitNetError) in
            try ModelFolderWriter(
                network: state.network, folder: folder, weights: weights, dense: dense,
                tokenizer: tokenizer
            ).write()
        }
    }

    /// Writes the model as a GGUF file, by way of a packed folder that is removed again.
    ///
    /// - Parameters:
    ///   - file: the `.gguf` file to write; replaced when it is complete.
    ///   - ternary: format of the ternary matrices.
    ///   - embedding: format of the embedding; with F32 and I2_S the file gives the same logits as
    ///     the trainer, bit for bit.
    ///   - tokenizer: as for `exportFolder`; a GGUF file is never without one.
    /// - Throws: what `exportFolder` and `BitNetConverter` throw.
    @discardableResult
    public func exportGGUF(
        to file: URL, ternary: ElementType = .i2_s, embedding: ElementType = .f32,
        tokenizer: URL
    ) async throws(BitNetError) -> ConversionReport {
        let folder = file.deletingLastPathComponent().appendingPathComponent(
            ".\(file.lastPathComponent).\(UUID().uuidString).folder")
        defer { try? FileManager.default.removeItem(at: folder) }
        let name = file.deletingPathExtension().lastPathComponent
        try await exportFolder(to: folder, tokenizer: tokenizer)
        return try await onQueue { (_) throws(BitNetError) in
            try BitNetConverter.convert(
                from: folder, to: file,
                options: ConversionOptions(ternary: ternary, embedding: embedding, name: name))
        }
    }
}

extension Trainer {
    /// The model as it is now, to generate text with.
    ///
    /// - Parameter tokenizer: as for `exportFolder`.
    /// - Throws: what `exportFolder` and `BitNetModel.load` throw.
    public func model(tokenizer: URL? = nil) async throws(BitNetError) -> BitNetModel {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "bitnet-training-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try await exportFolder(to: folder, tokenizer: tokenizer)
        return try await BitNetModel.load(folder)
    }
}

/// Writes a network as a Hugging Face folder.
struct ModelFolderWriter {
    let network: ShadowNetwork
    let folder: URL
    let weights: ExportedWeights
    let dense: ElementType
    let tokenizer: URL?

    /// The files of a folder.
    static let names = [
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]

    func write() throws(BitNetError) {
        guard [.f32, .f16, .bf16].contains(dense) else {
            throw .invalidArgument(
                name: "dense", detail: "\(dense.rawValue) is none of F32, F16, BF16")
        }
        try OutputFolder.make(folder.path)
        let ends = try copyTokenizer()
        try write(config(ends), to: "config.json")
        switch weights {
        case .masters: try writeMasters()
        case .packed: try writePacked()
        }
    }

    private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    private func write(_ text: String, to name: String) throws(BitNetError) {
        let file = try AtomicFile(replacing: path(name))
        try file.write(ByteRegion(Array(text.utf8), path: path(name)))
        try file.commit()
    }

    // MARK: - Tokenizer and configuration

    /// Copies the tokenizer's files; the ids of its first and last tokens of a text.
    private func copyTokenizer() throws(BitNetError) -> (begin: Int?, end: Int?) {
        guard let tokenizer else { return (nil, nil) }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: tokenizer.path, isDirectory: &isFolder) else {
            throw .fileNotFound(path: tokenizer.path)
        }
        let source = isFolder.boolValue ? tokenizer : tokenizer.deletingLastPathComponent()
        let main = isFolder.boolValue ? "tokenizer.json" : tokenizer.lastPathComponent
        let files = [
            (main, "tokenizer.json"), ("tokenizer_config.json", "tokenizer_config.json"),
        ]
        for (name, copy) in files {
            let url = source.appendingPathComponent(name)
            guard copy == "tokenizer.json" || FileManager.default.fileExists(atPath: url.path)
            else { continue }
            // The tokenizer may be in the folder already.
            guard
                url.standardizedFileURL.path
                    != URL(fileURLWithPath: path(copy)).standardizedFileURL.path
            else { continue }
            let bytes = try ByteRegion(reading: InputFile(opening: url.path))
            let file = try AtomicFile(replacing: path(copy))
            try file.write(bytes)
            try file.commit()
        }
        let loaded = try Tokenizer.load(from: folder)
        let ends = ["<|end_of_text|>", "<|endoftext|>", "</s>"].compactMap(loaded.id(ofSpecial:))
        let begins = ["<|begin_of_text|>", "<s>"].compactMap(loaded.id(ofSpecial:))
        return (begins.first, ends.first)
    }

    private func config(_ ends: (begin: Int?, end: Int?)) -> String {
        let shape = network.shape
        let mode = weights == .packed ? "offline" : "online"
        let dtype =
            weights == .masters || dense == .bf16
            ? "bfloat16" : dense == .f16 ? "float16" : "float32"
        func id(_ value: Int?) -> String { value.map { "\($0)" } ?? "null" }
        return """
            {
              "architectures": ["BitNetForCausalLM"],
              "model_type": "bitnet",
              "hidden_size": \(shape.hiddenSize),
              "intermediate_size": \(shape.feedForwardSize),
              "num_hidden_layers": \(shape.layerCount),
              "num_attention_heads": \(shape.headCount),
              "num_key_value_heads": \(shape.keyValueHeadCount),
              "hidden_act": "relu2",
              "rms_norm_eps": \(shape.normEpsilon),
              "rope_theta": \(shape.ropeBase),
              "max_position_embeddings": \(shape.contextLength),
              "vocab_size": \(shape.vocabularySize),
              "tie_word_embeddings": true,
              "bos_token_id": \(id(ends.begin)),
              "eos_token_id": \(id(ends.end)),
              "torch_dtype": "\(dtype)",
              "quantization_config": {
                "quant_method": "bitnet",
                "linear_class": "autobitlinear",
                "quantization_mode": "\(mode)"
              }
            }

            """
    }

    // MARK: - Weights

    private func writeMasters() throws(BitNetError) {
        let tensors = network.layout.tensors
        var writer = try SafetensorsWriter(
            path: path("model.safetensors"),
            tensors: tensors.map { .init(name: $0.name, type: .bf16, shape: $0.shape) })
        for tensor in tensors {
            try writer.append(network.parameter(tensor.range), to: tensor.name)
        }
        try writer.finish()
    }

    private func writePacked() throws(BitNetError) {
        var infos: [AnnouncedTensor] = []
        for tensor in network.layout.tensors {
            guard tensor.isTernary else {
                infos.append(.init(name: tensor.name, type: dense, shape: tensor.shape))
                continue
            }
            infos.append(
                .init(
                    name: tensor.name, type: .packedTernary,
                    shape: [tensor.shape[0] / 4, tensor.shape[1]]))
            infos.append(.init(name: tensor.name + "_scale", type: .f32, shape: [1]))
        }
        var writer = try SafetensorsWriter(path: path("model.safetensors"), tensors: infos)
        for tensor in network.layout.tensors {
            guard tensor.isTernary else {
                try writer.append(network.parameter(tensor.range), to: tensor.name)
                continue
            }
            let (trits, scale) = try network.trits(of: tensor)
            try writer.append(
                packed(trits, rows: tensor.shape[0], columns: tensor.shape[1]), to: tensor.name)
            let value = try AlignedBuffer([scale], purpose: tensor.name)
            defer { withExtendedLifetime(value) {} }
            try writer.append(value.view, to: tensor.name + "_scale")
        }
        try writer.finish()
    }

    /// A byte holds the codes of rows r, r + rows / 4, and so on, of one column, the first in its
    /// lowest bits; a code is the trit + 1.
    private func packed(_ trits: [Int8], rows: Int, columns: Int) -> [UInt8] {
        let quarter = rows / 4 * columns
        return (0..<quarter).map { index in
            (0..<4).reduce(0) { byte, part in
                byte | UInt8(trits[part * quarter + index] + 1) << UInt8(2 * part)
            }
        }
    }
}

extension ShadowNetwork {
    /// The trits of a ternary tensor, row by row, as they are multiplied, and their scale.
    func trits(
        of tensor: ParameterLayout.Entry
    ) throws(BitNetError) -> (trits: [Int8], scale: Float) {
        for block in blocks {
            for linear in block.linears {
                let range = linear.offset..<linear.offset + linear.rows * linear.columns
                guard range.contains(tensor.offset),
                    let trits = linear.trits(compute, scratch: threads.trits)
                else { continue }
                let first = (tensor.offset - range.lowerBound) / linear.columns
                let buffer = try AlignedBuffer<Int8>(count: tensor.count, purpose: tensor.name)
                trits.unpack(rows: first..<first + tensor.shape[0], into: buffer.view)
                return (buffer.array, linear.scales.view[first])
            }
        }
        throw .missingTensor(path: "the network", tensor: tensor.name)
    }
}
