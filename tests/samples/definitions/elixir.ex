defmodule App.Router do
  @moduledoc """
  Routes requests.
  """
  use Phoenix.Router
  alias App.{Repo, User}
  import Plug.Conn, only: [assign: 3]

  defstruct [:name]

  @doc """
  Calls it.

      iex> call(1)
  """
  @spec call(term) :: term
  def call(nil), do: "def fake, do: 1"

  def call(conn) when is_map(conn) do
    # pass on
    Plug.run(conn) |> assign(:a, 1)
  end

  @doc "Another arity."
  def call(conn, opts), do: {conn, opts}

  defp helper(x), do: x

  defmacro route(path) do
    quote do: unquote(path)
  end

  defmodule Inner do
    def deep, do: :ok
  end
end

defimpl Access, for: App.Router do
  def fetch(r, k), do: Map.fetch(r, k)
end

defmodule App.RouterTest do
  use ExUnit.Case

  test "calls it" do
    assert App.Router.call(1)
  end
end
