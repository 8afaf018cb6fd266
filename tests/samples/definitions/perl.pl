package App::Store;
# Stores things.
use strict;
use List::Util qw(first sum);

our $VERSION = '1';

=head2 get

Gets a value.

=cut

sub get {
    my ($self, $key) = @_;
    # cached
    return first { $_ eq 'sub fake { }' } $self->all($key);
}

# Sets a value.
sub set { $_[0]->put($_[1]) }

package App::Other;

sub run {
    return sum(1, 2);
}

subtest 'gets' => sub {
    ok(App::Store->get(1));
};

1;
