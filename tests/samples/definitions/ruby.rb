# frozen_string_literal: true

require 'set'
require_relative 'base'

module Web
  # An application.
  class App < Base::Core
    attr_reader :name
    LIMIT = 5

    # Runs it.
    # Twice.
    def call(env)
      log "def fake; end" # a string
      env.fetch(:path)
    end

    def self.build(*args) = new(*args)

    class << self
      def reset!
        clear
      end
    end

    private

    def helper?
      true
    end
  end

  def self.version
    "1"
  end
end

describe "app" do
  it "answers" do
    expect(App.new.call({})).to eq 1
  end
end

class AppTest < Minitest::Test
  def test_it
    assert true
  end

  test "a title" do
    refute false
  end
end
