import CTernaryKernels
import Foundation
import TestSupport
import Testing

@Suite("Ternary reference data", .enabled(if: ReferenceData.isAvailable))
struct TernaryReferenceTests {
    private func fixture(_ name: String) throws -> SafetensorsFixture {
        try SafetensorsFixture(#require(ReferenceData.url("kernels/\(name).safetensors")))
    }

    @Test("activations quantise to the reference's integers", arguments: TernarySet.supported)
    func activations(set: TernarySet) throws {
        let file = try fixture("quant")
        let shape = file.shape("x")
        try #require(shape.count == 2)
        let (x, q, scales) = (file.floats("x"), file.int8s("x_int8"), file.floats("x_scale"))
        for row in 0..<shape[0] {
            let range = row * shape[1]..<(row + 1) * shape[1]
            let mine = TernaryActivations(Array(x[range]), set)
            #expect(mine.q.prefix(shape[1]) == q[range], "row \(row)")
            #expect(mine.q.dropFirst(shape[1]).allSatisfy { $0 == 0 })
            #expect(mine.sum == q[range].reduce(0) { $0 + Int32($1) })
            #expect(mine.scale == scales[row], "row \(row)")
        }
    }

    @Test("absmean quantisation gives the reference's trits and scale")
    func masterWeights() throws {
        let file = try fixture("quant")
        let w = file.uint16s("w_bf16_bits").map { Float(bitPattern: UInt32($0) << 16) }
        try #require(!w.isEmpty)
        let mean = Float(tk_absolute_sum(w, w.count) / Double(w.count))
        let g = 1 / max(mean, 1e-5)
        var trits = [Int8](repeating: 9, count: w.count)
        tk_ternarize(w, w.count, g, &trits)
        #expect(trits == file.int8s("w_ternary"))
        #expect(file.floats("w_scale") == [1 / g])
    }

    @Test("integer products equal the reference", arguments: TernarySet.supported)
    func products(set: TernarySet) throws {
        let file = try fixture("quant")
        let (shape, q) = (file.shape("w_ternary"), file.int8s("x_int8"))
        try #require(shape.count == 2)
        let expected = file.int32s("acc_int32")
        let tokens = stride(from: 0, to: q.count, by: shape[1]).map {
            TernaryActivations(values: Array(q[$0..<$0 + shape[1]]))
        }
        for layout in ternaryLayouts {
            let w = PackedTernary(
                file.int8s("w_ternary"), rows: shape[0], columns: shape[1], layout: layout)
            #expect(set.gemm(w, tokens) == expected)
            #expect(tokens.flatMap { set.gemv(w, $0) } == expected)
        }
    }

    @Test("dequantised products equal the reference to float precision")
    func dequantised() throws {
        let file = try fixture("quant")
        let (acc, expected) = (file.int32s("acc_int32"), file.floats("y"))
        let (scales, beta) = (file.floats("x_scale"), file.floats("w_scale"))
        try #require(!expected.isEmpty)
        let rows = file.shape("w_ternary")[0]
        for row in scales.indices {
            var y = [Float](repeating: 0, count: rows)
            let part = Array(acc[row * rows..<(row + 1) * rows])
            tk_dequantize(TernarySet.scalar.pointer, part, rows, scales[row], beta, 0, &y)
            for i in 0..<rows {
                let wanted = expected[row * rows + i]
                #expect(abs(y[i] - wanted) <= 1e-5 * max(abs(wanted), 1e-3), "row \(row), \(i)")
            }
        }
    }

    @Test("the packings of one ternary matrix decode to its values and encode to their bytes")
    func packings() throws {
        let file = try fixture("blocks")
        let values = file.int8s("ternary.values")
        let shape = file.shape("ternary.values")
        try #require(shape.count == 2 && values.contains(1))
        var trits = [Int8](repeating: 9, count: values.count)
        #expect(tk_decode_hf(file.bytes("ternary.HF"), shape[0], shape[1], 0, shape[0], &trits) < 0)
        #expect(trits == values)

        let i2s = file.bytes("ternary.I2_S")
        trits = [Int8](repeating: 9, count: values.count)
        #expect(tk_decode_i2s(TK_I2S_A, i2s, shape[1], 0, values.count, &trits) < 0)
        #expect(trits == values)
        var encoded = [UInt8](repeating: 0, count: values.count / 4)
        tk_encode_i2s(values, values.count, &encoded)
        #expect(encoded[...] == i2s.prefix(values.count / 4))

        let scale = file.floats("ternary.scale")[0]
        for (type, name) in [(TK_TQ1_0, "ternary.TQ1_0"), (TK_TQ2_0, "ternary.TQ2_0")] {
            let data = file.bytes(name)
            var scales = [Float](repeating: -1, count: values.count / 256)
            trits = [Int8](repeating: 9, count: values.count)
            #expect(tk_decode_tq(type, data, values.count, &trits, &scales) < 0)
            #expect(trits == values, "\(name)")
            #expect(scales.allSatisfy { $0 == 0 || abs($0 - scale) <= scale * 0x1p-11 })
            encoded = [UInt8](repeating: 0, count: data.count)
            tk_encode_tq(type, values, values.count, scale, &encoded)
            #expect(encoded == data, "\(name)")
        }
    }
}
