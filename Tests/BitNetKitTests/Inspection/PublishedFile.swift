import Foundation
import TestSupport

@testable import BitNetFiles
@testable import BitNetKit
@testable import TernaryCompute

/// A small file in the form of the published 2B-4T: `bitnet-b1.58`, I2_S with the scale behind the
/// codes, embedding in F16 that is the LM head too, no words on the pre-tokenizer and the activation
/// function, the converter's placeholder of a chat template. Its zeros and silent neurons are planted.
struct PublishedFile {
    static let hidden = 128
    static let neurons = 640
    static let vocabulary = 300
    /// The share of zeros of the published file, in every matrix as exactly as it goes.
    static let zeroShare = 0.4221
    /// Rows of gate and of up that are zero, by layer; a neuron is silent where either is.
    static let zeroRows: [(gate: Set<Int>, up: Set<Int>)] = [
        ([0, 5, 639], [5, 7]), ([], []), (Set(100..<300), Set(250..<320)),
    ]
    static let silent = [4, 0, 220]
    static let scales: [Float] = [0.5, 1.25, 2]

    private var random = SplitMix64(seed: 2)

    /// Writes the file.
    static func write(to folder: TemporaryFolder) throws -> URL {
        var maker = PublishedFile()
        return try maker.model().write(to: folder, "ggml-model-i2_s.gguf")
    }

    private mutating func model() throws -> EditableGGUF {
        var model = try EditableGGUF(TinyModel.bitnetGGUF)
        model.rename(to: "bitnet-b1.58")
        let sizes = [
            ("embedding_length", Self.hidden), ("block_count", Self.zeroRows.count),
            ("feed_forward_length", Self.neurons), ("attention.head_count", 4),
            ("attention.head_count_kv", 2),
        ]
        for (key, value) in sizes { model["bitnet-b1.58.\(key)"] = .uint32(UInt32(value)) }
        model["general.name"] = nil
        model["tokenizer.ggml.pre"] = nil
        model["tokenizer.chat_template"] = .string(
            "{% for m in messages %}Human: {{ m['content'] }}\n\nBITNETAssistant: {% endfor %}")
        model.tensors = [
            try half("token_embd.weight", [Self.vocabulary, Self.hidden]),
            norm("output_norm.weight", Self.hidden),
        ]
        for layer in Self.zeroRows.indices { model.tensors += try tensors(of: layer) }
        return model
    }

    private mutating func tensors(of layer: Int) throws -> [EditableGGUF.Tensor] {
        let (hidden, neurons) = (Self.hidden, Self.neurons)
        func name(_ part: String) -> String { "blk.\(layer).\(part).weight" }
        let norms = [
            ("attn_norm", hidden), ("attn_sub_norm", hidden), ("ffn_norm", hidden),
            ("ffn_sub_norm", neurons),
        ]
        let matrices: [(String, Int, Int, Set<Int>)] = [
            ("attn_q", hidden, hidden, []), ("attn_k", hidden / 2, hidden, []),
            ("attn_v", hidden / 2, hidden, []), ("attn_output", hidden, hidden, []),
            ("ffn_gate", neurons, hidden, Self.zeroRows[layer].gate),
            ("ffn_up", neurons, hidden, Self.zeroRows[layer].up),
            ("ffn_down", hidden, neurons, []),
        ]
        var tensors = norms.map { norm(name($0.0), $0.1) }
        for (part, rows, columns, zeros) in matrices {
            tensors.append(
                try ternary(
                    name(part), rows: rows, columns: columns, zeroRows: zeros,
                    scale: Self.scales[layer]))
        }
        return tensors
    }

    private func norm(_ name: String, _ count: Int) -> EditableGGUF.Tensor {
        .init(
            name: name, type: .f32, shape: [count],
            bytes: floatBytes([Float](repeating: 1, count: count)))
    }

    private mutating func half(_ name: String, _ shape: [Int]) throws -> EditableGGUF.Tensor {
        let values = try AlignedBuffer(
            (0..<shape.reduce(1, *)).map { _ in random.nextFloat() }, purpose: name)
        let bytes = try AlignedBuffer<UInt8>(count: values.count * 2, purpose: name)
        Codec.encode(.f16, values.view, into: bytes.view)
        return .init(name: name, type: .f16, shape: shape, bytes: bytes.array)
    }

    /// I2_S: codes, the scale, and nothing up to 32 bytes.
    private mutating func ternary(
        _ name: String, rows: Int, columns: Int, zeroRows: Set<Int>, scale: Float
    ) throws -> EditableGGUF.Tensor {
        let zeros = Int((Double(rows * columns) * Self.zeroShare).rounded())
        let others = rows * columns - zeroRows.count * columns
        var drawn = (0..<others).map { index -> Int8 in
            index < zeros - zeroRows.count * columns ? 0 : index % 2 == 0 ? 1 : -1
        }
        drawn.shuffle(using: &random)
        var trits: [Int8] = []
        for row in 0..<rows {
            if zeroRows.contains(row) {
                trits += [Int8](repeating: 0, count: columns)
            } else {
                trits += drawn.suffix(columns)
                drawn.removeLast(columns)
            }
        }
        let values = try AlignedBuffer(trits, purpose: name)
        let codes = try AlignedBuffer<UInt8>(count: rows * columns / 4, purpose: name)
        Codec.encodeI2S(values.view, into: codes.view)
        let tail = floatBytes([scale]) + [UInt8](repeating: 0, count: 28)
        return .init(name: name, type: .i2_s, shape: [rows, columns], bytes: codes.array + tail)
    }
}
