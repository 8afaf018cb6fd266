module Shapes

using LinearAlgebra: norm
import Base: show

export area

"""
    area(s)

The area of a shape.
"""
function area(s::Square)
    # squared
    return norm(s.side)^2
end

"A square."
struct Square
    side::Float64
end

abstract type Shape end

half(x) = x / 2

Base.show(io::IO, s::Square) = print(io, "function fake() end")

# Doubles.
macro double(ex)
    esc(ex)
end

const TABLE = [
    1,
    2,
]

@testset "areas" begin
    @test area(Square(2)) == 4
end

end
