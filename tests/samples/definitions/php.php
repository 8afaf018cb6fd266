<?php

namespace App\Http;

use App\Models\User;
use Illuminate\Support\{Arr, Str};

/**
 * Handles users.
 */
#[Route('/users')]
final class UserController extends Controller implements HasName
{
    use Macroable;

    protected $limit = 5;

    /**
     * Shows a user.
     *
     * @param  int  $id
     * @return User
     */
    public function show(int $id): User
    {
        // cached
        return User::find($id)->load('function fake() {}');
    }

    abstract protected function name();
}

interface HasName
{
    /** The name. */
    public function name(): string;
}

trait Macroable
{
    public static function macro($name) { static::$macros[$name] = value($name); }
}

enum Suit: string
{
    case Hearts = 'H';
}

function helper($x)
{
    return array_map(fn ($y) => $y, $x);
}

class UserTest extends TestCase
{
    public function testShow() { $this->assertTrue(true); }
}

it('shows a user', function () {
    expect(helper([]))->toBe([]);
});

return helper([]);
